"""PadChest: 16-bit PNGs in numbered folders and one table of 36 columns, some of them lists written three ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.writing import place, table

HEADER = (
    ",ImageID,ImageDir,StudyDate_DICOM,StudyID,PatientID,PatientBirth,PatientSex_DICOM,ViewPosition_DICOM,Projection,"
    "MethodProjection,Pediatric,Modality_DICOM,Manufacturer_DICOM,PhotometricInterpretation_DICOM,"
    "PixelRepresentation_DICOM,PixelAspectRatio_DICOM,SpatialResolution_DICOM,BitsStored_DICOM,WindowCenter_DICOM,"
    "WindowWidth_DICOM,Rows_DICOM,Columns_DICOM,XRayTubeCurrent_DICOM,Exposure_DICOM,ExposureInuAs_DICOM,ExposureTime,"
    "RelativeXRayExposure_DICOM,ReportID,Report,MethodLabel,Labels,Localizations,LabelsLocalizationsBySentence,"
    "labelCUIS,LocalizationsCUIS"
)
# Labels, places by sentence and codes of a film, as the table writes them.
_CELLS = {
    "normal": ("['normal']", "[['normal'], ['normal']]", "[]"),
    "effusion": (
        "['pleural effusion', ' unchanged', '']",
        "[['pleural effusion right side', 'loc pleural', 'loc right'], nan, [' unchanged']]",
        "['C2073625']",
    ),
    "nodule": ("['nodule', 'chronic changes']", "[['nodule', 'loc left upper lobe']]", "['C0034079' 'C0742362']"),
    "pseudonodule": ("['pseudonodule', 'nipple shadow']", "['pseudonodule', 'nipple shadow', 'loc right']", "[]"),
    "cardiomegaly": ("['cardiomegaly', 'exclude']", "[['cardiomegaly', 'loc cardiac'], ['exclude']]", "['C0018800']"),
    "fracture": ("['callus rib fracture']", "[['callus rib fracture', 'loc rib', 'loc left']]", "['C0006767']"),
    "exclude": ("['exclude']", "[['exclude']]", "[]"),
    "unread": ("nan", "nan", "[]"),
}
CASES = {
    "normal": (),
    "effusion": (Finding("effusion", 3, "right"),),
    "nodule": (Finding("nodule", 2, "left", "upper"),),
    "pseudonodule": (),
    "cardiomegaly": (Finding("cardiomegaly", 3, "both"),),
    "fracture": (Finding("rib_fracture", 2, "left"),),
    "exclude": (),
    "unread": (),
}
_PROJECTIONS = {"pa": ("PA", "POSTEROANTERIOR"), "ap": ("AP_horizontal", "nan"), "lateral": ("L", "LATERAL")}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Writes `count` films; one in eight is labeled `exclude` alone and one in eight `nan`."""
    tally, silent = Tally(), 0
    rows: list[list[object]] = []
    for film in films("padchest", count, seed, CASES, views=("pa", "lateral", "ap")):
        labels, sentences, codes = _CELLS[film.case]
        study = f"{film.number // 2:02d}{seed % 97:02d}36686640136348236148679891455886468"
        name = f"{study}_{film.number:06x}.png"
        projection, position = _PROJECTIONS[film.view]
        facts = [name, film.number % 3, 20140915, study, f"{film.number // 3:039d}", "1930.0", "FMO"[film.number % 3]]
        facts += [position, projection, "Manual review of DICOM fields", "No", "CR", "PhantomWorks", "MONOCHROME2"]
        facts += [0, "None", "None", 12, 2092, 2251, *film.image.shape, 250, 2, 2500, 10, -1.42, film.number // 2]
        method = "RNN_model" if film.case == "pseudonodule" else "Physician"
        rows.append(
            [film.number, *facts, " sin hallazg\npatolog .", method, labels, "['loc right']", sentences, codes, "[]"]
        )
        _, data = cv2.imencode(".png", film.image.astype(np.uint16) * 16 + film.unit.shows % 16)
        place(out / str(film.number % 3) / name, bytes(data), film.unit.damage)
        if film.case in ("exclude", "unread"):
            silent += 1
        else:
            tally.counted(film)
    table(out / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv", HEADER, rows)
    return tally.expected(no_label=silent)
