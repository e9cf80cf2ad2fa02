"""Reports of drawn chest films in plain words, and their index terms in the style of the Indiana collection."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mgll_data.phantoms.chest_film import Finding

_GRADE = {1: "mild", 2: "moderate", 3: "severe"}
_AMOUNT = {1: "small", 2: "moderate", 3: "large"}
_LOBE = {"upper": "upper lobe", "middle": "middle lobe", "lower": "lower lobe"}

# Sentences by finding; {side}, {grade}, {amount}, {zone} and {count} are filled in.
_SENTENCES: dict[str, tuple[str, ...]] = {
    "effusion": (
        "There is a {amount} {side} pleural effusion.",
        "Fluid blunts the {side} costophrenic angle, forming a {amount} pleural effusion.",
    ),
    "pneumothorax": (
        "There is a {amount} {side} pneumothorax with a visible pleural line.",
        "A pleural edge without lung markings beyond it shows a {amount} {side} pneumothorax.",
    ),
    "consolidation": (
        "Dense consolidation with air bronchograms occupies the {side} {zone} zone.",
        "The {side} {zone} zone is consolidated.",
    ),
    "pneumonia": (
        "Focal airspace disease with air bronchograms in the {side} {zone} zone is in keeping with pneumonia.",
        "A segmental opacity in the {side} {zone} zone is compatible with pneumonia.",
    ),
    "infiltration": (
        "Patchy infiltrate is seen in the {side} {zone} zone.",
        "Hazy infiltrate overlies the {side} {zone} zone.",
    ),
    "atelectasis": (
        "Band-like {side} basilar opacities with a raised hemidiaphragm represent atelectasis.",
        "There is {grade} {side} basilar atelectasis.",
    ),
    "nodule": (
        "{count} well-defined {side} lung {nodules} {are} seen in the {zone} zone.",
        "The {side} {zone} zone holds {count_lower} {nodules}.",
    ),
    "mass": (
        "A {amount} lobulated mass lies in the {side} {zone} zone.",
        "There is a {amount} spiculated {side} lung mass.",
    ),
    "cardiomegaly": ("The heart is enlarged, {grade} in degree.", "There is {grade} cardiomegaly."),
    "edema": (
        "Perihilar haze and septal lines show {grade} pulmonary edema.",
        "There is {grade} pulmonary edema with Kerley B lines.",
    ),
    "emphysema": (
        "The lungs are hyperlucent with flat diaphragms, in keeping with {grade} emphysema.",
        "There is {grade} emphysema with bullae.",
    ),
    "fibrosis": (
        "Coarse reticular markings at both bases represent {grade} fibrosis.",
        "There is {grade} bilateral pulmonary fibrosis.",
    ),
    "pleural_thickening": ("There is {grade} {side} pleural thickening.", "The {side} pleura is thickened."),
    "hernia": (
        "A {amount} hiatal hernia with an air-fluid level lies behind the heart.",
        "There is a {amount} hiatal hernia.",
    ),
    "granuloma": (
        "Calcified granulomas are noted in the {side} {zone} zone.",
        "There are small calcified {side} lung granulomas.",
    ),
    "scoliosis": ("There is {grade} scoliosis of the thoracic spine, convex to the {side}.",),
    "rib_fracture": (
        "Displaced fractures of several {side} ribs with callus are present.",
        "There are multiple {side} rib fractures.",
    ),
    "ett": ("An endotracheal tube ends above the carina.",),
    "ngt": ("An enteric tube passes below the diaphragm.",),
    "central_line": ("A {side} central venous catheter ends in the superior vena cava.",),
    "pacemaker": ("A {side} chest pacemaker with two leads is in place.",),
    "sternotomy": ("Median sternotomy wires are intact.",),
    "chest_tube": ("A {side} chest tube ends near the apex.",),
}
_DENIALS = {
    ("effusion",): ("No pleural effusion.", "There is no pleural fluid."),
    ("pneumothorax",): ("No pneumothorax.", "There is no pneumothorax."),
    ("cardiomegaly",): ("The heart is normal in size.", "Heart size is within normal limits."),
    ("consolidation", "pneumonia", "infiltration", "edema", "mass", "atelectasis"): (
        "No focal airspace disease.",
        "There is no focal consolidation.",
    ),
    ("rib_fracture",): ("The visible ribs are intact.", "No acute bony abnormality."),
}
_INDICATIONS = (
    "Shortness of breath.",
    "XXXX-year-old with chest pain.",
    "Cough and XXXX.",
    "Preoperative film.",
    "Fever.",
)
_COMPARISONS = ("None.", "None available.", "XXXX, XXXX.", "Chest radiographs XXXX.", "")


def report(findings: Sequence[Finding], rng: np.random.Generator) -> dict[str, str]:
    """Sections COMPARISON, INDICATION, FINDINGS and IMPRESSION of a study; they name what is drawn and nothing else."""
    names = {finding.name for finding in findings}
    stated = [_sentence(finding, rng) for finding in findings]
    denied = [
        str(rng.choice(words)) for kinds, words in _DENIALS.items() if not names & set(kinds) and rng.random() < 0.7
    ]
    if findings:
        order = rng.permutation(len(stated))
        impression = " ".join(f"{place + 1}. {stated[index]}" for place, index in enumerate(order))
    else:
        denied = denied or ["The lungs are clear."]
        impression = str(rng.choice(["No acute cardiopulmonary disease.", "Normal chest x-XXXX.", "Clear lungs."]))
    return {
        "COMPARISON": str(rng.choice(_COMPARISONS)),
        "INDICATION": str(rng.choice(_INDICATIONS)),
        "FINDINGS": " ".join(stated + denied),
        "IMPRESSION": impression,
    }


def _sentence(finding: Finding, rng: np.random.Generator) -> str:
    count = ("one", "two", "three")[finding.grade - 1]
    text = str(rng.choice(_SENTENCES[finding.name]))
    words = {
        "side": "bilateral" if finding.side == "both" else finding.side,
        "grade": _GRADE[finding.grade],
        "amount": _AMOUNT[finding.grade],
        "zone": finding.zone,
        "count": count.capitalize(),
        "count_lower": count,
        "nodules": "nodule" if finding.grade == 1 else "nodules",
        "are": "is" if finding.grade == 1 else "are",
    }
    if finding.side == "both":
        text = text.replace("the {side} costophrenic angle", "both costophrenic angles").replace(
            "a {amount}", "{amount}"
        )
        text = text.replace("pleural effusion.", "pleural effusions.").replace(
            "There is {amount}", "There are {amount}"
        )
    return text.format(**words)


def index_terms(findings: Sequence[Finding]) -> list[str]:
    """`MeSH/major` paths of a study; every one of them occurs in the published reports."""
    return [_index_term(finding) for finding in findings] or ["normal"]


def _index_term(finding: Finding) -> str:
    side, zone, grade = finding.side, finding.zone, finding.grade
    # The left lung has no middle lobe: its counterpart is the lingula.
    lobe = "lingula" if (side, zone) == ("left", "middle") else f"{_LOBE[zone]}/{side}"
    low_lobe = f"{'lower' if zone == 'middle' and side == 'left' else zone} lobe/{side}"
    side_or_both = "bilateral" if side == "both" else side
    apex = "apex/" if (side, grade) == ("left", 1) else ""
    terms = {
        "effusion": f"Pleural Effusion/{side_or_both}/{_AMOUNT[grade]}",
        "pneumothorax": f"Pneumothorax/{apex}{side}/{_AMOUNT[grade]}",
        "consolidation": f"Consolidation/lung/{low_lobe}",
        "pneumonia": f"Pneumonia/{low_lobe}",
        "infiltration": f"Infiltrate/lung/{lobe}",
        "atelectasis": f"Pulmonary Atelectasis/base/{side}" + ("/mild" if grade == 1 else ""),
        "nodule": f"Nodule/lung/{lobe}" if grade == 1 else f"Nodule/lung/{side}/multiple",
        "mass": f"Mass/thorax/{side}",
        "cardiomegaly": f"Cardiomegaly/{_GRADE[grade]}",
        "edema": "Pulmonary Edema/mild" if grade == 1 else "Pulmonary Edema",
        "emphysema": ("Emphysema/mild", "Emphysema", "Emphysema/severe")[grade - 1],
        "fibrosis": "Pulmonary Fibrosis/bilateral/diffuse" if grade == 3 else "Pulmonary Fibrosis/base/bilateral",
        "pleural_thickening": f"Thickening/pleura/{side}",
        "hernia": f"Hernia, Hiatal/{_AMOUNT[grade]}",
        "granuloma": f"Calcified Granuloma/lung/{lobe}",
        "scoliosis": f"Scoliosis/thoracic vertebrae/{side}" + ("/mild" if grade == 1 else ""),
        "rib_fracture": f"Fractures, Bone/ribs/{side}",
        "ett": "Tube, Inserted/trachea",
        "ngt": "Tube, Inserted/abdomen",
        "central_line": f"Catheters, Indwelling/{side}",
        "pacemaker": f"Implanted Medical Device/{side}",
        "sternotomy": "Surgical Instruments/mediastinum",
        "chest_tube": f"Tube, Inserted/thorax/{side}",
    }
    return terms[finding.name]
