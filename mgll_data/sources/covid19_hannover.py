"""COVID-19 image repository of the Hannover Medical School: 243 films of 71 patients, all of them COVID-19 cases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.tables import Row, age_in_years, first_file, records, sex

CARD = SourceCard(
    name="covid19_hannover",
    modality="cxr",
    title="COVID-19 Image Repository (Hannover Medical School)",
    release="2.0",
    images=243,
    licence="CC-BY-3.0",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://github.com/ml-workgroup/covid-19-image-repository",
    cite="""@misc{winther2020covid19,
  title     = {{COVID-19} Image Repository},
  author    = {Winther, Hinrich B. and Laser, Hans and Gerbel, Svetlana and Maschke, Sabine K. and
               Hinrichs, Jan B. and Vogel-Claussen, Jens and Wacker, Frank K. and H{\\"o}per, Marius M. and
               Meyer, Bernhard C.},
  publisher = {figshare},
  year      = {2020},
  doi       = {10.6084/m9.figshare.12275009}
}""",
    label_origin="No label per image: the repository holds cases of COVID-19 only, a diagnosis of the patient.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Clone the repository (52 MB of pictures): git clone https://github.com/ml-workgroup/covid-19-image-repository
The PNGs are smaller copies, about 640 pixels wide, of the NIfTI volumes, which are not needed.

covid19_hannover/
  data.csv
  png/<image_id>.png""",
    needs=("data.csv*", "png/*.png"),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of `data.csv`. The films may show any stage of the disease, or nothing of it."""
    images = Images(root, ("png/*.png",))

    def record(origin: str, row: Row) -> RawRecord:
        name = f"{row['image_id']}.png"
        return RawRecord(
            image=images.take(name, f"png/{name}"),
            origin=origin,
            patient=row["patient_id"] or None,
            view={"pa": "pa", "ap": "ap"}.get(row["projection"].lower()),
            labels={"COVID-19": State.PRESENT},
            captions={"modality": row["modality"].upper()} if row["modality"] else {},
            age=age_in_years(row["age"]),
            sex=sex(row["sex"]),
        )

    needed = ("patient_id", "image_id", "sex", "age", "modality", "projection")
    yield from records(first_file(root, "data.csv"), needed, record)
    yield from images.unlisted()
