"""A contact sheet of real DICOM files as the pipeline shows them, to look at: right way up, lungs dark, bones bright.

    .venv/bin/python benchmarks/dicom_sheet.py ../shared/data build/dicom_sheet.png

Files that a chest recipe leaves out are drawn too (as a photograph recipe would read them), with the reason.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from mgll_data.errors import SampleError
from mgll_data.images.headers import sniff
from mgll_data.images.process import ImageOptions, process

TILE, TEXT = 320, 54


def tile(path: Path) -> np.ndarray:
    """The stored picture over two lines: the file, then what became of it."""
    note = "kept"
    try:
        made = process(path, ImageOptions(side=TILE, format="png"))
    except SampleError as error:
        note = f"{error.reason}: {error.detail}"
        try:
            made = process(path, ImageOptions(side=TILE, format="png", mode="rgb8"))
        except SampleError:
            made = None
    sheet = np.full((TILE + TEXT, TILE, 3), 60, np.uint8)
    if made is not None:
        picture = cv2.imdecode(np.frombuffer(made.data, np.uint8), cv2.IMREAD_COLOR)
        sheet[: picture.shape[0], : picture.shape[1]] = picture
        note += f" {made.view or '?'} {' '.join(made.flags)}"
    for line, text in enumerate((f"{path.parent.name}/{path.name}"[-44:], note[:46], note[46:92])):
        cv2.putText(sheet, text, (4, TILE + 14 + 17 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1)
    return sheet


def main(root: Path, out: Path) -> None:
    """Draw every DICOM file below `root` into the picture `out`, four in a row."""
    found = []
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            kind = sniff(file.read(1024))
        if kind in ("dicom", "headerless_dicom"):
            found.append(tile(path))
    found += [np.zeros_like(found[0])] * (-len(found) % 4)
    rows = [np.hstack(found[at : at + 4]) for at in range(0, len(found), 4)]
    out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(out), np.vstack(rows))
    print(f"{sum(1 for f in found if f.any())} files: {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
