"""Plain words of the report for what the code calls by a code: reasons, flags, levels, views."""

from __future__ import annotations

MODALITIES = {"cxr": "Chest X-rays", "fundus": "Color fundus photographs"}
SPLITS = {"train": "Training", "val": "Validation", "test": "Test"}
CONCEPT_LEVELS = {
    "status": "Overall impression",
    "family": "Groups of diseases",
    "disease": "Diseases",
    "stage": "Stages and grades",
    "finding": "Findings",
    "device": "Devices and surgical material",
    "negation": "Diseases stated as absent",
    "context": "Clinical context",
    "quality": "Image quality as judged by the source",
}
TEXT_LEVELS = {
    "modality": ("Kind of image", "what kind of picture it is; names no finding"),
    "study": ("Study", "the examination, as an order or a worklist would name it"),
    "series": ("View", "how the picture was taken"),
    "category": ("Group", "the broad group that the finding or disease belongs to"),
    "diagnostic": ("Finding or diagnosis", "the finding or disease itself, with its stage where known"),
    "explanatory": ("Explanation", "what the finding or disease means"),
    "report": ("Report", "words of the source's own radiology report"),
}
ATTRIBUTES = {"view": "View", "laterality": "Side", "sex": "Sex", "age_band": "Age in years"}
VALUES = {
    "view": {"pa": "PA", "ap": "AP", "lateral": "Lateral", "other": "Another view"},
    "laterality": {"left": "Left", "right": "Right"},
    "sex": {"F": "Female", "M": "Male"},
}
QUARANTINE = {
    "missing_image": "The label table names an image that is not there",
    "zero_bytes": "The image file is empty",
    "truncated": "The image file breaks off before its end",
    "undecodable": "The file cannot be read as an image",
    "decoder_missing": "The program part that reads this image format is not installed",
    "decoder_crash": "Reading the image crashed the decoder",
    "timeout": "Reading the image took too long",
    "too_large": "The image has more pixels than the recipe allows",
    "too_small": "The image is smaller than the recipe allows",
    "path_escape": "The label table points outside the folder of the source",
    "bad_row": "A row of the label table makes no sense",
    "unmapped_label": "The source uses a word for which no meaning is listed",
    "burned_in_text": "Text is burned into the picture",
}
FLAGS = {
    "dark": "very dark",
    "bright": "very bright",
    "flat": "almost without contrast",
    "blurred": "blurred",
    "no_field_of_view": "no round field of view found",
    "alpha": "had a transparency layer",
    "percentile_window": "gray levels stretched to fit",
    "bad_window": "unusable window settings in the header",
    "no_end_marker": "JPEG end marker missing",
    "jpeg_warning": "JPEG with stray bytes",
    "exif_rotated": "turned upright as its header asks",
    "lut_shape_conflict": "header contradicts itself on inversion",
    "for_processing": "raw detector image, not made for reading",
    "burned_in_annotation": "header says that text is burned in",
    "border_text": "row of characters near the border",
    "square_pixels": "stretched because its pixels are not square",
}
