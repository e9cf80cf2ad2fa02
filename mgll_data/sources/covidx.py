"""COVIDx: the training lists of COVID-Net, 30,530 films taken from eight other sets (V9A; other versions alike)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import ExcludedError, SampleError, UsageError
from mgll_data.images.dicom_words import is_elsewhere
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import text_rows
from mgll_data.sources.nih_identity import NIH, patient, rsna_mapping
from mgll_data.sources.tables import made

CARD = SourceCard(
    name="covidx",
    modality="cxr",
    title="COVIDx CXR (COVID-Net)",
    release="9A",
    images=30_530,
    licence="LicenseRef-COVIDx-per-source",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://github.com/lindawangg/COVID-Net",
    cite="""@article{wang2020covidnet,
  title   = {{COVID-Net}: a tailored deep convolutional neural network design for detection of {COVID-19} cases from
             chest {X}-ray images},
  author  = {Wang, Linda and Lin, Zhong Qiu and Wong, Alexander},
  journal = {Scientific Reports},
  volume  = {10},
  pages   = {19549},
  year    = {2020},
  doi     = {10.1038/s41598-020-76550-z}
}""",
    label_origin="The class of the set that each film was taken from, joined into three or two classes.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Follow docs/COVIDx.md of the repository, which builds the set from its sources, or download a build
from Kaggle (covidx-cxr2), and put one version's lists beside the pictures. Each film has its source's licence. Where a
film comes from gives away its class, so a model may learn the source instead: build the sources themselves where you
can.
487 films are of the abdomen, labelled COVID-19; they are excluded by their names.

covidx/
  train_COVIDx9A.txt    patient, file, class and source between spaces; older lists have no source
  test_COVIDx9A.txt     and a val list in later versions; one list of a part
  pneumonia-challenge-dataset-mappings_2018.json   optional, of RSNA: tells which patient an RSNA film is of; without
                        it 125 patients stand in train and in test
  train/<file>
  test/<file>""",
    needs=("train*.txt", "train/*"),
    path_labels=True,
    derives=(
        "rsna_pneumonia",
        "covid_chestxray",
        "figure1_covid",
        "actualmed_covid",
        "midrc_ricord_1c",
        "covid19_ny_sbu",
    ),
)

# Sources whose pictures keep their names, by the word that the lists use.
_NAMED = {"cohen": "covid_chestxray", "fig1": "figure1_covid", "actmed": "actualmed_covid"}
# Sources whose patients keep their keys.
_PATIENTS = {**_NAMED, "ricord": "midrc_ricord_1c", "stonybrook": "covid19_ny_sbu"}
_FILMS_NOT_PATIENTS = "rsna"
_DESCRIBED = "stonybrook"  # whose names hold the study's description; a UUID may hold `face` and mean nothing


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the lists. Raw words are `<class>/<source>`, or `<class>` in lists without sources.

    The first field is a patient of the film's source, and is one with that source's patient where it is built too;
    for RSNA it names the film, whose patient only the challenge's mapping file tells.
    """
    images = Images(
        root, tuple(f"{part}/*.{end}" for part in ("train", "val", "test") for end in ("png", "jpg", "jpeg"))
    )
    nih = rsna_mapping(root)
    found = False
    for split in ("train", "val", "test"):
        lists = sorted(root.glob(f"{split}*.txt"))
        if len(lists) > 1:
            names = ", ".join(path.name for path in lists)
            raise UsageError(f"{root}: {len(lists)} lists of one part ({names}). Leave those of one version there.")
        for path in lists:
            found = True

            def record(origin: str, fields: list[str], split: str = split) -> RawRecord:
                return _record(origin, fields, split, images, nih)

            yield from made(path.name, text_rows(path, 3, 4), record)
    if not found:
        raise UsageError(f"{root}: no list train*.txt. Put the lists of a version beside the pictures.")
    yield from images.unlisted()


def _record(origin: str, fields: list[str], split: str, images: Images, nih: dict[str, str]) -> RawRecord:
    key, name, word, source = (*fields, "")[:4]
    image = images.take(name, f"{split}/{name}")
    source = {"rnsa": "rsna"}.get(source, source)  # 199 rows of V9 are spelled so
    if source == _DESCRIBED and is_elsewhere([name]):
        raise ExcludedError("not_chest", "its name speaks of another part of the body")
    if not word:
        raise SampleError("bad_row", "no class")
    same = ((_NAMED[source], name),) if source in _NAMED else ()
    space = _PATIENTS.get(source, "")
    if source == _FILMS_NOT_PATIENTS:
        film = nih.get(Path(name).stem)
        same = (("rsna_pneumonia", f"{Path(name).stem}.dcm"), *(((NIH, film),) if film else ()))
        owner, space = patient(film) if film else None, NIH
    else:
        owner = key if space else f"{source}/{key}" if source else None
    return RawRecord(
        image=image,
        origin=origin,
        patient=owner,
        labels={f"{word}/{source}" if source else word: State.PRESENT},
        official_split=split,
        same_as=same,
        patient_of=space,
    )
