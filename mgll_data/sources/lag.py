"""LAG: 4,854 photographs, suspicious of glaucoma or not, with maps of where ophthalmologists looked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import class_folders

CARD = SourceCard(
    name="lag",
    modality="fundus",
    title="Large-scale Attention-based Glaucoma database (LAG), public part",
    release="2019",
    images=4_854,
    licence="LicenseRef-LAG-no-redistribution",
    open_licence=False,
    access="agreement",
    redistributable=False,
    url="https://github.com/smilell/AG-CNN",
    cite="""@inproceedings{li2019attention,
  title     = {Attention Based Glaucoma Detection: A Large-Scale Database and {CNN} Model},
  author    = {Li, Liu and Xu, Mai and Wang, Xiaofei and Jiang, Lai and Liu, Hanruo},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2019}
}""",
    label_origin="Glaucoma specialists with all clinical data: suspicious of glaucoma or negative.",
    scope=("fundus.glau",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Ask the authors for the password, download the database and unpack it. It must not be passed on. Attention
maps and label files beside the pictures are not read; 4,854 of the 11,760 pictures of the paper are public.

lag/
  suspicious_glaucoma/{image,attention_map,label}/
  non_glaucoma/{image,attention_map,label}/""",
    needs=("suspicious_glaucoma/image/*", "non_glaucoma/image/*"),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the two image folders; the words are `suspicious_glaucoma` and `non_glaucoma`."""
    words = ("suspicious_glaucoma", "non_glaucoma")
    yield from class_folders(root, {f"{word}/image": word for word in words}, patterns=("*/image/*.jpg",))
