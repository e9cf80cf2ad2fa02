"""IDRiD, part B (disease grading): 516 photographs with grades of diabetic retinopathy and macular edema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from mgll_data.errors import SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import part_folder
from mgll_data.sources.tables import Row, records

CARD = SourceCard(
    name="idrid",
    modality="fundus",
    title="Indian Diabetic Retinopathy Image Dataset, disease grading",
    release="1.0",
    images=516,
    licence="CC-BY-4.0",
    open_licence=True,
    access="registration",
    redistributable=True,
    url="https://ieee-dataport.org/open-access/indian-diabetic-retinopathy-image-dataset-idrid",
    cite="""@article{porwal2018idrid,
  title   = {Indian Diabetic Retinopathy Image Dataset ({IDRiD}): A Database for Diabetic Retinopathy Screening
             Research},
  author  = {Porwal, Prasanna and Pachade, Samiksha and Kamble, Ravi and Kokare, Manesh and Deshmukh, Girish and
             Sahasrabuddhe, Vivek and Meriaudeau, Fabrice},
  journal = {Data},
  volume  = {3},
  number  = {3},
  pages   = {25},
  year    = {2018},
  doi     = {10.3390/data3030025}
}""",
    label_origin="Graded by medical experts: retinopathy 0 to 4 (ICDR), risk of macular edema 0 to 2.",
    scope=("fundus.dr", "fundus.dme"),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download "B. Disease Grading.zip" from IEEE DataPort (free account) and unpack it. Parts A and C are not
read; C shows the same photographs. Names may be URL-quoted (B.%20Disease%20Grading), and the root may be the folder
"B. Disease Grading" itself. The two sets use the same file names for different photographs: keep their folders.

idrid/
  B. Disease Grading/
    1. Original Images/
      a. Training Set/IDRiD_001.jpg ... IDRiD_413.jpg
      b. Testing Set/IDRiD_001.jpg ... IDRiD_103.jpg
    2. Groundtruths/
      a. IDRiD_Disease Grading_Training Labels.csv
      b. IDRiD_Disease Grading_Testing Labels.csv""",
    needs=("**/2.*Groundtruths/*.csv*", "**/1.*Original*Images/**/*.jpg"),
)

_PART = "B. Disease Grading"
_SETS = (
    ("train", "a. Training Set", "a. IDRiD_Disease Grading_Training Labels.csv"),
    ("test", "b. Testing Set", "b. IDRiD_Disease Grading_Testing Labels.csv"),
)
_GRADES = ("Retinopathy grade", "Risk of macular edema")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the training set, then of the testing set, in the order of their tables.

    No patient is known: the source gives no key. A grade becomes the word `<column>=<value>`; an empty one becomes
    none. Raises UsageError if one of the two tables is absent.
    """
    home = part_folder(root, _PART)
    images = Images(root, (f"{home}**/*.jpg",), _key)
    tables = {unquote(path.rpartition("/")[2]).lower(): path for path in list_images(root, (f"{home}**/*.csv",))}
    absent = [name for _, _, name in _SETS if name.lower() not in tables]
    if absent:
        raise UsageError(
            [f"{root}: no file {name!r}. It is in {_PART}/2. Groundtruths of the download." for name in absent]
        )
    for split, folder, table in _SETS:

        def record(origin: str, row: Row, split: str = split, folder: str = folder) -> RawRecord:
            name = f"{row['Image name']}.jpg"
            image = images.take(f"{folder}/{name}".lower(), f"{home}1. Original Images/{folder}/{name}")
            words = [f"{column}={row[column]}" for column in _GRADES if row[column]]
            if not words:
                raise SampleError("bad_row", "no grade")
            return RawRecord(image, origin, labels=dict.fromkeys(words, State.PRESENT), official_split=split)

        yield from records(root / tables[table.lower()], ("Image name", *_GRADES), record)
    yield from images.unlisted()


def _key(path: str) -> str:
    return "/".join(unquote(path).lower().split("/")[-2:])
