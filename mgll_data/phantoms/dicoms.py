"""Drawn films as DICOM files, with invented identifiers in the places where real headers have them."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from mgll_data.phantoms.drawn import Drawn

UID_ROOT = "1.2.826.0.1.3680043.8.498.7799"


def uid(*numbers: int) -> str:
    """A UID under this project's invented root."""
    return ".".join([UID_ROOT, *map(str, numbers)])


def dicom(drawn: Drawn, *, modality: str = "CR", **tags: str) -> bytes:
    """The film as DICOM, 8-bit MONOCHROME2 or 12-bit MONOCHROME1 in turn; `tags`: further elements by keyword.

    How its pixels are stored depends on the picture it shows, so that copies have equal pixels.
    """
    shallow = drawn.unit.shows % 2 == 0
    classes = {"CR": ComputedRadiographyImageStorage, "DX": DigitalXRayImageStorageForPresentation}
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = classes[modality]
    meta.MediaStorageSOPInstanceUID = tags.get("SOPInstanceUID", uid(1, drawn.number + 1))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID = meta.MediaStorageSOPClassUID
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    ds.PatientName = f"PHANTOM^NAME^{drawn.number:04d}"
    ds.PatientID = f"PHANTOMID{drawn.number:04d}"
    ds.StudyDate = "19230405"
    ds.AccessionNumber = f"PHANTOMACC{drawn.number:04d}"
    ds.Modality = modality
    for keyword, value in tags.items():
        setattr(ds, keyword, value)
    bits = 8 if shallow else 12
    stored = drawn.image if shallow else (4095 - drawn.image.astype(np.uint16) * 16)
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2" if shallow else "MONOCHROME1"
    ds.Rows, ds.Columns = drawn.image.shape
    ds.BitsAllocated = 8 if shallow else 16
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits - 1, 0
    ds.PixelData = stored.tobytes()
    file = BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


# Columns of the Imaging Data Commons' index, version 25.
IDC_HEADER = (
    "collection_id,analysis_result_id,PatientID,SeriesInstanceUID,StudyInstanceUID,source_DOI,PatientAge,PatientSex,"
    "StudyDate,StudyDescription,BodyPartExamined,Modality,SOPClassUID,sop_class_name,TransferSyntaxUID,"
    "transfer_syntax_name,PhotometricInterpretation,PixelRepresentation,Manufacturer,ManufacturerModelName,SeriesDate,"
    "SeriesDescription,SeriesNumber,instanceCount,license_short_name,series_init_idc_version,series_revised_idc_version,"
    "aws_bucket,crdc_series_uuid,series_aws_url,series_size_MB"
)


def idc_row(collection: str, **cells: str) -> list[str]:
    """A row of `idc_index.csv`; `cells` by column name, the others are empty."""
    values = {"collection_id": collection, **cells}
    return [values.get(column, "") for column in IDC_HEADER.split(",")]
