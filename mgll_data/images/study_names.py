"""Descriptions of an X-ray study to a common name, as LOINC's radiology names are built: modality, region, views.

Raw descriptions hold names, telephone numbers and dates ("XR CHEST AP PORTABLE for <name>"), and DICOM PS3.15 Table
E.1-1 removes them for that. So a name is composed here from words of our own after looking for allowed words; nothing
of the description itself can pass.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mgll_data.images.dicom_words import CHEST, MODALITIES, words

RADIOGRAPHY = frozenset({"CR", "DX", "RG", "XR", "RF", "XA", "OT", "SC"})

_FRONTAL = ("PA", "AP", "frontal")
_NAMED = {
    "PA": ("PA", "POSTEROANTERIOR", "POSTERO"),
    "AP": ("AP", "ANTEROPOSTERIOR", "ANTERO"),
    "frontal": ("FRONTAL",),
    "lateral": ("LATERAL", "LAT", "LL", "RL", "LATERALS"),
    "oblique": ("OBLIQUE", "OBLIQUES", "OBL", "OBLI", "OBLICUA", "LAO", "RAO", "LPO", "RPO"),
    "decubitus": ("DECUBITUS", "DECUB", "LLD", "RLD"),
    "lordotic": ("LORDOTIC", "APICAL"),
}
_VIEW_OF_WORD = {word: view for view, names in _NAMED.items() for word in names}
_PORTABLE = frozenset({"PORTABLE", "PORT", "PORTBLE", "BEDSIDE", "MOBILE"})
_POSITION = {
    "SUPINE": "supine",
    "UPRIGHT": "upright",
    "UPRT": "upright",
    "ERECT": "upright",
    "STANDING": "upright",
    "SITTING": "sitting",
    "SEMIUPRIGHT": "semi-upright",
}
_ABDOMEN = frozenset({"ABDOMEN", "ABDOMINAL", "ABD", "KUB"})
_RIBS = frozenset({"RIB", "RIBS"})
_OTHER_MODALITY = frozenset({"CT", "CTA", "MR", "MRI", "US", "NM", "PET", "MAM", "MG", "BIOPSY", "BIOPSYLUNG"})
_NUMBERS = {"SINGLE": 1, "ONE": 1, "TWO": 2, "THREE": 3, "FOUR": 4, "FIVE": 5} | {str(n): n for n in range(1, 7)}
_COUNTED = frozenset({"VIEW", "VIEWS", "V", "VW", "VWS", "PROJECTION", "PROJECTIONS", "VIEWONLY"})
_ALLOWED = (
    CHEST
    | frozenset(_VIEW_OF_WORD)
    | _PORTABLE
    | frozenset(_POSITION)
    | _ABDOMEN
    | _RIBS
    | _OTHER_MODALITY
    | frozenset(_NUMBERS)
    | _COUNTED
    | frozenset({"AND", "OR", "MORE", "MIN", "MINIMUM", "ONLY", "XR"})
)
_AND_LATERAL = re.compile(r"(?:\bAND\b|&|/|\+|-) *LAT(?:ERAL)?\b", re.IGNORECASE)
_SPLIT_COUNT = re.compile(r"\b([1-6])-?(V|VIEW|VIEWS|VW)\b", re.IGNORECASE)


def safe_captions(captions: Mapping[str, str]) -> dict[str, str]:
    """Captions of a source with nothing but allowed words, in their order: what a record may hold.

    `modality` keeps a DICOM code, `study` and `series` the words that `study_name` looks for.
    """
    kept = {}
    for kind, text in captions.items():
        said = words(text.replace("&", " AND ").replace("+", " AND ").replace("/", " AND "))
        if kind == "modality":
            said = [word for word in said if word in MODALITIES]
        else:
            said = [word for word in words(_SPLIT_COUNT.sub(r"\1 \2", " ".join(said))) if word in _ALLOWED]
        if said:
            kept[kind] = " ".join(said)
    return kept


def study_name(modality_code: str | None, description: str, view: str | None) -> str | None:
    """Common name of the study, such as `Portable XR Chest AP view` or `XR Chest PA and lateral views`.

    modality_code: DICOM modality (0008,0060). description: StudyDescription or what stands for it in a source's table.
    view: of the image (pa, ap, lateral, other), which decides where the description leaves it open ("AP OR PA") or
    names no view at all. None where the description does not speak of a chest radiograph: the view alone is then used.
    """
    if modality_code and modality_code.upper() not in RADIOGRAPHY:
        return None
    said = words(_SPLIT_COUNT.sub(r"\1 \2", description))
    found = set(said)
    if found & _OTHER_MODALITY or not found & CHEST:
        return None
    region = "Chest"
    if found & _ABDOMEN:
        region = "Abdomen and Chest"
    elif found & _RIBS:
        region = "Ribs and Chest" if found & (CHEST - _RIBS) else "Ribs"
    named = {_VIEW_OF_WORD[word] for word in said if word in _VIEW_OF_WORD}
    if named == {"lateral"} and _AND_LATERAL.search(description):
        named.add("frontal")  # "XXXX and lateral": the frontal view was lost with a de-identified word
    parts = [_views(named, _count(said), view)]
    parts += sorted({_POSITION[word] for word in said if word in _POSITION})
    portable = "Portable " if found & _PORTABLE else ""
    return f"{portable}XR {region} {' '.join(parts)}"


def _views(named: set[str], count: str | None, view: str | None) -> str:
    """The views in words: those that are named, else their number, else the image's own."""
    own = {"pa": "PA", "ap": "AP", "lateral": "lateral"}.get(view or "")
    frontal = sorted(named & set(_FRONTAL))
    if len(frontal) > 1:  # "AP OR PA", "PA/AP": one of them was taken
        named = named - set(frontal) | {own if own in frontal else "frontal"}
    listed = [name for name in _NAMED if name in named]
    if len(listed) > 1:
        return f"{', '.join(listed[:-1])} and {listed[-1]} views"
    if count and count != "single":
        return f"{count} views"
    single = " single view" if count else " view"
    if listed:
        return listed[0] + single
    if count or own:
        return f"{own}{single}" if own else single.strip()
    return "views"


def _count(said: list[str]) -> str | None:
    """Number of views that the words state: `single`, `2`, `3 or more`; None where they state none."""
    for at, word in enumerate(said):
        if word in _COUNTED and at:
            # "Two (2) Views", "3 OR MORE VIEWS", "MIN 3 VIEWS", "2 PA AND LATERAL VIEWS" (that one is not counted)
            before = [w for w in said[max(0, at - 3) : at] if w not in ("OR", "MORE", "ONLY")]
            number = _NUMBERS.get(before[-1]) if before else None
            if number is not None:
                more = {"MORE", "MIN", "MINIMUM"} & set(said[max(0, at - 3) : at])
                return "single" if number == 1 else f"{number} or more" if more else str(number)
    return None
