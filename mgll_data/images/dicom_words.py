"""What an X-ray's header says of its content: chest or not, view, side. Free text is only searched, never returned."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal

View = Literal["pa", "ap", "lateral", "other"]

MODALITIES = frozenset({"CR", "DX", "RG", "XR", "XC", "OP", "OT", "RF", "XA", "MG", "PX", "IO", "CT", "MR", "US", "SC"})


def words(text: object) -> list[str]:
    """Upper-case words of a header value; everything that is not a letter or a digit separates."""
    return re.findall(r"[A-Z0-9]+", str(text or "").upper())


# Kinds of imaging that give no projection radiograph, or none of the chest (mammography, dental), and documents.
NO_RADIOGRAPH = frozenset(words("CT MR US NM PT MG PX IO ES OP OPT ECG SR PR KO SEG RTIMAGE RTDOSE DOC BMD SM GM XC"))
# THORACIC is not among them: the thoracic spine is another examination.
CHEST = frozenset(words("CHEST THORAX TORAX CXR LUNG LUNGS RIB RIBS STERNUM HEART PECHO BRUST TORACE"))
# Words that, alone, name another part of the body. Spellings as modalities and report systems write them.
_ELSEWHERE = frozenset(
    words("""ABDOMEN ABDOMINAL ABD KUB PELVIS PELVIC HIP HIPS EXTREMITY LEG LEGS KNEE KNEES ANKLE FOOT FEET TOE TOES
    HEEL CALCANEUS TIBIA FIBULA FEMUR THIGH PATELLA ARM FOREARM ELBOW WRIST HAND HANDS FINGER FINGERS THUMB HUMERUS
    RADIUS ULNA SHOULDER SHOULDERS CLAVICLE SCAPULA SKULL HEAD FACE FACIAL JAW MANDIBLE MAXILLA SINUS SINUSES ORBIT
    ORBITS NASAL NOSE TEETH TOOTH DENTAL NECK CSPINE LSPINE TSPINE SSPINE SPINE LUMBAR CERVICAL SACRUM COCCYX BREAST
    BREASTS BLADDER KIDNEY COLON ESOPHAGUS EYE EYES EXM""")
)
_ORIENTED: dict[tuple[str, ...], str] = {
    ("L", "F"): "frontal",
    ("R", "F"): "frontal",
    ("A", "F"): "lateral",
    ("P", "F"): "lateral",
}
_VIEWS: dict[View, frozenset[str]] = {
    "pa": frozenset({"PA", "POSTEROANTERIOR", "POSTERO"}),
    "ap": frozenset({"AP", "ANTEROPOSTERIOR", "ANTERO", "PORTABLE", "BEDSIDE"}),
    "lateral": frozenset({"LATERAL", "LAT", "LL", "RL"}),
    "other": frozenset(
        words("""RLD LLD RLO LLO LAO RAO LPO RPO OBLIQUE OBLICUA OBL DECUBITUS DECUB AXIAL LORDOTIC APICAL SWIMMERS
        TANGENTIAL""")
    ),
}


def is_elsewhere(statements: Iterable[object]) -> bool:
    """Whether a header says that the picture is not of the chest.

    `statements` go from the most to the least trusted; the first that names a part of the body decides, and one that
    names the chest beside another part counts as chest. A header that names no part is not held against the picture.
    """
    for statement in statements:
        said = set(words(statement))
        if said & CHEST:
            return False
        if said & _ELSEWHERE:
            return True
    return False


def view_from_words(text: object, *, coded: bool) -> View | None:
    """View named by a header value, None where it names none or, in free text, more than one.

    coded: a field for the view alone, in which "PA LLD" or "AP AXIAL" is a view of another kind. Free text such as
    "PA AND LATERAL" describes a study, not this picture. "postero-anterior" is known by its first half.
    """
    said = set(words(text))
    found = {view for view, names in _VIEWS.items() if said & names}
    if coded and "other" in found:
        return "other"
    return found.pop() if len(found) == 1 else None


def view_of(dataset: Any) -> tuple[View | None, str | None]:
    """View of an X-ray and the tag that tells it, None and None where no tag does.

    ViewPosition, then ViewCodeSequence, then PatientOrientation, then series and study text.
    PatientOrientation tells a lateral from a frontal film, not PA from AP (PS3.3 C.7.6.1.1.1).
    """
    view = view_from_words(dataset.get("ViewPosition"), coded=True)
    if view is not None:
        return view, "ViewPosition"
    for item in dataset.get("ViewCodeSequence") or ():
        view = view_from_words(item.get("CodeMeaning"), coded=True)
        if view is not None:
            return view, "ViewCodeSequence"
    orientation = dataset.get("PatientOrientation") or ()
    seen = _ORIENTED.get(tuple(str(part)[:1].upper() for part in orientation)[:2])
    if seen == "lateral":
        return "lateral", "PatientOrientation"
    for key in ("SeriesDescription", "ProtocolName", "PerformedProcedureStepDescription", "StudyDescription"):
        view = view_from_words(dataset.get(key), coded=False)
        if view is not None and not (seen == "frontal" and view == "lateral"):
            return view, key
    return None, None


def laterality_of(dataset: Any) -> Literal["left", "right"] | None:
    """Side of a paired part: ImageLaterality, else Laterality (PS3.3 C.8.11.2 and C.7.3.1); None for other values."""
    side = str(dataset.get("ImageLaterality") or dataset.get("Laterality") or "").strip().upper()
    return {"L": "left", "R": "right"}.get(side)  # type: ignore[return-value]
