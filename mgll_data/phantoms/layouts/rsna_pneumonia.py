"""RSNA pneumonia challenge 2018, stage 2: DICOM films, one table row per box, one class per film.

The published headers are clean. These carry invented names, dates and numbers (`PLANTED`), so that a test can prove
that none of them comes through a build.
"""

from __future__ import annotations

import uuid
import warnings
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from mgll_data.phantoms.chest import Chest, draw_chest
from mgll_data.phantoms.chest_cases import mix
from mgll_data.phantoms.chest_film import Finding, Floats
from mgll_data.phantoms.writing import expected, place, stream, table, units

LABELS_HEADER = "patientId,x,y,width,height,Target"
CLASSES_HEADER = "patientId,class"
NORMAL, OTHER, OPACITY = "Normal", "No Lung Opacity / Not Normal", "Lung Opacity"
OPACITIES = dict.fromkeys(("consolidation", "pneumonia", "infiltration"), 0.4)
OTHERS = dict.fromkeys(
    ("cardiomegaly", "emphysema", "pneumothorax", "nodule", "hernia", "pacemaker", "sternotomy"), 0.25
)
UID_ROOT = "1.2.826.0.1.3680043.8.498.7766"
# Every identifying text of these headers contains one of these, or is one of the dates below.
PLANTED = ("PHANTOM^", "PHANTOMHOSPITAL", "PHANTOMACC", "PHANTOMID", "PHANTOMSTATION", "PHANTOMREMARK", UID_ROOT)
PLANTED_DATES = ("19230405", "20170809", "20170810")


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Writes `count` films, their boxes and their classes."""
    boxes: list[list[object]] = []
    classes: list[list[object]] = []
    damages: Counter[str] = Counter()
    copies = 0
    chest = Chest(np.zeros((0, 0), np.float32), {})
    kind, view, drawn = NORMAL, "PA", 0
    for unit in units(count):
        rng = stream("rsna_pneumonia", seed, unit.number)
        patient = str(uuid.UUID(bytes=rng.bytes(16), version=4))
        if unit.is_copy:
            copies += 1
        else:
            kind, findings = _case(rng)
            view, drawn = str(rng.choice(["PA", "AP"])), unit.number
            chest = draw_chest(rng, findings, view="pa" if view == "PA" else "ap")
        data = _dicom(chest.image, drawn, unit.number, view)
        place(out / "stage_2_train_images" / f"{patient}.dcm", data, unit.damage)
        if unit.damage:
            damages[unit.damage] += 1
        found = [box for name in OPACITIES for box in chest.boxes.get(name, [])] if kind == OPACITY else []
        rows = [[patient, float(x0), float(y0), float(x1 - x0), float(y1 - y0), 1] for x0, y0, x1, y1 in found]
        boxes += rows or [[patient, "", "", "", "", 0]]
        classes += [[patient, kind]] * max(1, len(rows))
    table(out / "stage_2_train_labels.csv", LABELS_HEADER, boxes)
    table(out / "stage_2_detailed_class_info.csv", CLASSES_HEADER, classes)
    return expected(count, damages, copies)


def _case(rng: np.random.Generator) -> tuple[str, list[Finding]]:
    """Class and findings of a film: a third each."""
    kind = str(rng.choice([NORMAL, OTHER, OPACITY]))
    rates = {NORMAL: {}, OTHER: OTHERS, OPACITY: OPACITIES}[kind]
    findings: list[Finding] = []
    while rates and not findings:
        findings = mix(rng, rates, most=3, normal=0.0)
    return kind, findings


def _dicom(image: Floats, drawn: int, number: int, view: str) -> bytes:
    """The film as DICOM: every third 8-bit MONOCHROME2, the others 12-bit MONOCHROME1 with a window.

    `drawn` is the number of the picture, which alone decides how its pixels are stored; `number` that of the patient.
    """
    shallow = drawn % 3 == 2
    bits = 8 if shallow else 12
    low, high = (0, 255) if shallow else (300 + drawn % 7 * 40, 3500 + drawn % 5 * 60)
    stored = np.round(low + image * (high - low)) if shallow else np.round(high - image * (high - low))
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = f"{UID_ROOT}.1.{number + 1}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID = meta.MediaStorageSOPClassUID
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID = f"{UID_ROOT}.2.{number + 1}"
    ds.SeriesInstanceUID = f"{UID_ROOT}.3.{number + 1}"
    _plant(ds, number, view)
    ds.Modality = "CR"
    ds.BodyPartExamined = "CHEST"
    ds.ViewPosition = view
    ds.ConversionType = "WSD"
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2" if shallow else "MONOCHROME1"
    ds.Rows, ds.Columns = image.shape
    ds.BitsAllocated = 8 if shallow else 16
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits - 1, 0
    ds.PixelSpacing = [0.168, 0.168]
    if not shallow:
        # 0.5 and 1 as in the linear function of PS3.3 C.11.2.1.2, so that low shows black and high white.
        ds.WindowCenter, ds.WindowWidth = (low + high) / 2 + 0.5, high - low + 1
    ds.PixelData = stored.astype(np.uint8 if shallow else np.uint16).tobytes()
    stream_ = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the age without its unit
        ds.save_as(stream_, enforce_file_format=True)
    return stream_.getvalue()


def _plant(ds: FileDataset, number: int, view: str) -> None:
    """Identifying values in the places where real headers have them, free texts included."""
    ds.PatientName = f"PHANTOM^NAME^{number:04d}"
    ds.PatientID = f"PHANTOMID{number:04d}"
    ds.OtherPatientIDs = f"PHANTOMID{number:04d}X"
    ds.PatientBirthDate, ds.StudyDate, ds.SeriesDate = PLANTED_DATES
    ds.PatientSex = "MF"[number % 2]
    # The published headers give years without the unit that the standard asks for.
    ds.add(DataElement("PatientAge", "AS", str(20 + number * 7 % 70), validation_mode=IGNORE))
    ds.AccessionNumber = f"PHANTOMACC{number:04d}"
    ds.InstitutionName = "PHANTOMHOSPITAL"
    ds.InstitutionAddress = "PHANTOMHOSPITAL Road 1"
    ds.StationName = "PHANTOMSTATION"
    ds.ReferringPhysicianName = f"PHANTOM^DOCTOR^{number:04d}"
    ds.OperatorsName = f"PHANTOM^OPERATOR^{number:04d}"
    ds.StudyDescription = f"XR CHEST for PHANTOM^NAME^{number:04d}"
    ds.SeriesDescription = f"view: {view} PHANTOMHOSPITAL"
    ds.ImageComments = f"PHANTOMREMARK {number:04d}"
    private = ds.private_block(0x0099, "PHANTOMHOSPITAL", create=True)
    private.add_new(0x01, "LO", f"PHANTOM^NAME^{number:04d}")
