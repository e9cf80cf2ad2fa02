"""Drawn films and fundus photographs with known findings, in the layouts of real sources.

They stand in for data that may not be shared: a demo, a test or a benchmark draws its own. A layout is a module of
`mgll_data.phantoms.layouts`, found by its name, with `write(out, count, seed)`, which writes the files as the source
publishes them and returns what a build must count there.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import shutil
from difflib import get_close_matches
from pathlib import Path

from mgll_data.errors import UsageError
from mgll_data.phantoms import layouts

LAYOUTS: tuple[str, ...] = tuple(sorted(module.name for module in pkgutil.iter_modules(layouts.__path__)))
MARKER = "phantoms.json"


def draw(layout: str, count: int, out: Path, seed: int) -> Path:
    """Draws `count` images in the layout of a source into the folder `out`, and returns it.

    The folder appears only when it is complete; an earlier phantom folder there is replaced. Equal `layout`, `count`
    and `seed` give equal bytes, and an image does not depend on how many follow it. Raises UsageError for an unknown
    layout, a count below 1, a negative seed, or a folder that holds anything but phantoms.
    """
    if layout not in LAYOUTS:
        near = get_close_matches(layout, LAYOUTS, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the layouts are {', '.join(LAYOUTS)}."
        raise UsageError(f"unknown phantom layout {layout!r}: {hint}")
    if count < 1 or seed < 0:
        raise UsageError(f"phantoms need count >= 1 and seed >= 0; found count {count}, seed {seed}.")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; phantoms are written into a folder: choose another --out.")
    if out.is_dir() and any(out.iterdir()) and not (out / MARKER).is_file():
        raise UsageError(f"{out} holds files that are not phantoms (no {MARKER}): choose an empty or a new folder.")
    part = out.absolute().with_name(f".{out.absolute().name}.phantoms-part")
    if part.exists():
        shutil.rmtree(part)
    part.mkdir(parents=True)
    try:
        expected = importlib.import_module(f"mgll_data.phantoms.layouts.{layout}").write(part, count, seed)
        facts = {"v": 1, "source": layout, "seed": seed, "count": count, "release": f"phantom-{seed}"}
        text = json.dumps({**facts, "expected": expected}, indent=1, sort_keys=True) + "\n"
        (part / MARKER).write_text(text, encoding="utf-8")
        if out.is_dir():
            shutil.rmtree(out)
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out
