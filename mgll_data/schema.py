"""The border of the package: label states, Arrow schemas of the stages, the sample contract, the concept table.

Everything that crosses from one stage to the next, or from `mgll_data` to `mgll_train`, is declared here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

CONTRACT_VERSION = 1
MODALITIES = ("fundus", "cxr")
SPLITS = ("train", "val", "test")
LEVELS = {
    "fundus": ("modality", "category", "diagnostic", "explanatory"),
    "cxr": ("modality", "study", "series", "category", "diagnostic", "explanatory", "report"),
}
KEY_PATTERN = re.compile(r"^[a-z0-9_]{1,40}-[0-9a-f]{16}$")
TEXT_ID_PATTERN = re.compile(r"^t-[0-9a-f]{16}$")

QUARANTINE_REASONS = (
    "missing_image",  # named by the label file, not on disk
    "zero_bytes",
    "truncated",  # the file ends before its picture does
    "undecodable",  # not a picture we can read, or its pixels cannot be decoded
    "decoder_missing",  # a plug-in that is not installed; detail names it
    "decoder_crash",  # the worker died on it
    "timeout",
    "too_large",  # more pixels than the recipe's budget, judged from the header
    "too_small",
    "path_escape",  # the label file points outside its root
    "bad_row",  # a row of the label file that cannot be understood
    "unmapped_label",
    "burned_in_text",
)
EXCLUSION_REASONS = (
    "view",  # not one of the recipe's views
    "not_chest",
    "not_fundus",
    "no_label",  # the source names the picture and says nothing of it
    "multi_frame",
    "colour",
    "not_downloaded",  # `partial: true` in the recipe and the file is not there
    "unlisted",  # on disk, but no row of the label file names it
    "no_image",  # a report without a picture
    "split_conflict",  # its group stands in two official splits and the policy drops it
)


QUALIFIERS = (
    "left",
    "right",
    "bilateral",
    "mild",
    "moderate",
    "severe",
    "upper",
    "middle",
    "lower",
    "apical",
    "basal",
    "hilar",
    "focal",
    "diffuse",
)


class State(StrEnum):
    """What a source says of a concept. A fourth state, unknown, is the absence of a row."""

    PRESENT = "present"
    ABSENT = "absent"
    UNCERTAIN = "uncertain"


def text_id(level: str, text: str) -> str:
    """Id of a text, equal for equal texts of a level in every shard: `t-` and 16 hex digits of sha256."""
    return "t-" + hashlib.sha256(f"{level}\x00{text}".encode()).hexdigest()[:16]


# Samples share their texts: a loader that checks each sample works each id out once.
_known_text_id = lru_cache(maxsize=65_536)(text_id)


def make_uid(source: str, release: str, image: str) -> str:
    """Sample id `<source>-<16 hex of sha256(source, release, image path)>`: no dots, stable across builds."""
    digest = hashlib.sha256("\x00".join((source, release, image)).encode()).hexdigest()
    return f"{source}-{digest[:16]}"


# Columns of each stage's table, as `name:type` with s string, i int64, f float64, l list of strings.
_TABLES = {
    # One row per record read. `image` and `origin` stay in the work folder and are never published;
    # captions, report, regions, labels, votes, qualifiers, same_as and attrs are JSON; all but the first four columns
    # and the last three are null in a rejected row; outcome is kept, quarantined or excluded.
    "records": """uid:s source:s image:s origin:s patient:s study:s view:s laterality:s official_split:s sex:s
        age_band:s device:s captions:s report:s regions:s labels:s votes:s qualifiers:s same_as:s attrs:s conflicts:l
        outcome:s reason:s detail:s""",
    # One row per distinct report: its sha256, the states of concepts and the scrubbed texts as JSON.
    "reports": "report:s states:s texts:s",
    # One row per (record, raw word, concept): the trace from a label to its source's own words. votes is `2/3` where
    # two of three readers saw it. After copies are merged uid is that of the kept picture and source says who said it.
    "labels": "uid:s source:s raw:s raw_state:s votes:s concept:s relation:s state:s",
    # One row per record: the labels after closure. qualifiers is JSON, concept -> words; conflicts says what
    # contradicts itself; sources are those whose labels of this picture are in.
    "concepts": "uid:s present:l absent:l uncertain:l conflicts:l qualifiers:s sources:l",
    # One row per contradiction. `image` and `origin` stay in the work folder.
    "conflicts": "uid:s source:s concepts:l reason:s image:s origin:s",
    # One row per image tried. Sizes in pixels; the crop box is in pixels of the original.
    "index": """uid:s source:s outcome:s reason:s detail:s pack:s offset:i length:i width:i height:i original_width:i
        original_height:i crop_x0:i crop_y0:i crop_x1:i crop_y1:i file_sha256:s pixel_sha256:s dhash:s mean:f std:f
        sharpness:f flags:l file_size:i file_mtime_ns:i modality_code:s view:s laterality:s view_from:s
        study_name:s""",
    # same is the uid of the first of several copies of one photograph, duplicate_of that of the copy which is kept and
    # reason why (equal_pixels, same_as); near lists the later pictures found to be near duplicates.
    "groups": "uid:s group:s same:s duplicate_of:s reason:s near:l",
    "splits": "uid:s group:s split:s reason:s",
    # concepts: what the text asserts; about: that of which it says more or less than presence (a side, a doubt).
    "texts": "uid:s level:s ordinal:i id:s text:s concepts:l about:l",
    # One row per sample, in tar order. `sample` is the JSON member, `caption` the text member.
    "plan": """split:s shard:i position:i uid:s source:s pack:s offset:i length:i extension:s sample:s caption:s""",
    "quarantine": "source:s uid:s outcome:s reason:s detail:s",
}


@cache
def arrow_schema(table: str) -> pa.Schema:
    """Declared Arrow schema of a stage's table: records, labels, concepts, index, groups, splits, texts, plan, ..."""
    import pyarrow as pa

    types = {"s": pa.string(), "i": pa.int64(), "f": pa.float64(), "l": pa.list_(pa.string())}
    fields = (column.split(":") for column in _TABLES[table].split())
    return pa.schema([(name, types[kind]) for name, kind in fields])


def sample_problems(sample: Mapping[str, Any]) -> list[str]:
    """Every way in which a decoded sample JSON breaks contract version 1 (empty list: it keeps it)."""
    problems: list[str] = []
    for key, kind in _SAMPLE_FIELDS.items():
        if key not in sample:
            problems.append(f"no key {key!r}")
        elif not isinstance(sample[key], kind):
            problems.append(f"{key!r} is {type(sample[key]).__name__}")
    if problems:
        return problems
    if sample["v"] != CONTRACT_VERSION:
        problems.append(f"contract version {sample['v']}, this reader knows {CONTRACT_VERSION}")
    if not KEY_PATTERN.match(sample["uid"]):
        problems.append(f"uid {sample['uid']!r} is not <source>-<16 hex>")
    if sample["split"] not in SPLITS:
        problems.append(f"split {sample['split']!r}")
    if sample["modality"] not in MODALITIES:
        problems.append(f"modality {sample['modality']!r}")
    for state in State:
        value = sample["concepts"].get(state.value)
        if not isinstance(value, list) or not {*map(type, value)} <= {str}:
            problems.append(f"concepts.{state.value} is not a list of ids")
    for level, texts in sample["texts"].items():
        if level not in LEVELS.get(sample["modality"], ()):
            problems.append(f"unknown level {level!r}")
            continue
        problems += [
            f"text {entry.get('id')!r} of level {level} has a wrong id"
            for entry in texts
            if not isinstance(entry.get("text"), str) or entry.get("id") != _known_text_id(level, entry["text"])
        ]
    for concept, words in sample.get("qualifiers", {}).items():
        problems += [f"qualifier {word!r} of {concept} is unknown" for word in words if word not in QUALIFIERS]
    for region in sample["regions"]:
        box = region.get("box")
        if box is not None and not (len(box) == 4 and 0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1):
            problems.append(f"region box {box} is not x0 < x1, y0 < y1 in fractions")
    return problems


_OPTIONAL_TEXT = (str, type(None))
_SAMPLE_FIELDS: dict[str, type | tuple[type, ...]] = {
    "v": int,
    "uid": str,
    "source": str,
    "modality": str,
    "split": str,
    "view": _OPTIONAL_TEXT,
    "laterality": _OPTIONAL_TEXT,
    "patient": _OPTIONAL_TEXT,
    "group": str,
    "licence": str,
    "attrs": dict,
    "concepts": dict,
    "regions": list,
    "texts": dict,
}


class Ontology:
    """Parent links of the concepts: what `vocabulary.json` and `hierarchy.csv` have in common.

    `parents` maps every concept id to its parents' ids (empty for a root); cycles and unknown parents raise ValueError.
    """

    def __init__(self, parents: Mapping[str, Iterable[str]]) -> None:
        self.parents: dict[str, tuple[str, ...]] = {concept: tuple(up) for concept, up in parents.items()}
        self._children: dict[str, list[str]] = {concept: [] for concept in self.parents}
        for concept, up in self.parents.items():
            for parent in up:
                if parent not in self.parents:
                    raise ValueError(f"{concept}: parent {parent!r} is not a concept")
                self._children[parent].append(concept)
        self._ancestors: dict[str, frozenset[str]] = {}
        self._descendants: dict[str, frozenset[str]] = {}
        for concept in self.parents:
            self._walk(concept, self.parents, self._ancestors, ())
        for concept in self.parents:
            self._walk(concept, self._children, self._descendants, ())
        self._up = {c: frozenset(a for a in (c, *up) if self.parents[a]) for c, up in self._ancestors.items()}

    def _walk(
        self,
        concept: str,
        links: Mapping[str, Iterable[str]],
        found: dict[str, frozenset[str]],
        path: tuple[str, ...],
    ) -> frozenset[str]:
        if concept in path:
            raise ValueError("cycle: " + " > ".join((*path[path.index(concept) :], concept)))
        if concept not in found:
            reached: set[str] = set()
            for other in links[concept]:
                reached.add(other)
                reached |= self._walk(other, links, found, (*path, concept))
            found[concept] = frozenset(reached)
        return found[concept]

    def __contains__(self, concept: object) -> bool:
        return concept in self.parents

    def ancestors(self, concept: str) -> frozenset[str]:
        """All concepts above this one, without itself."""
        return self._ancestors[concept]

    def descendants(self, concept: str) -> frozenset[str]:
        """All concepts below this one, without itself."""
        return self._descendants[concept]

    def is_root(self, concept: str) -> bool:
        """Whether the concept has no parent (a modality's root says nothing of an image)."""
        return not self.parents[concept]

    def up(self, concepts: Iterable[str]) -> set[str]:
        """The concepts with all their ancestors, roots left out."""
        return set[str]().union(*(self._up[concept] for concept in concepts))

    def down(self, concepts: Iterable[str]) -> set[str]:
        """The concepts with all their descendants."""
        chosen = set(concepts)
        return chosen.union(*(self._descendants[concept] for concept in chosen))

    def lowest(self, concepts: Iterable[str]) -> set[str]:
        """The most specific of the concepts: those without a descendant in the set."""
        chosen = set(concepts)
        return {concept for concept in chosen if self._descendants[concept].isdisjoint(chosen)}

    def topmost(self, concepts: Iterable[str]) -> set[str]:
        """The least specific of the concepts: those without an ancestor in the set."""
        chosen = set(concepts)
        return {concept for concept in chosen if self._ancestors[concept].isdisjoint(chosen)}

    def expand_absent(self, absent: Iterable[str], present: Iterable[str], uncertain: Iterable[str]) -> set[str]:
        """Every concept known absent, from the topmost ones a sample stores (contract version 1)."""
        return self.down(absent) - set(present) - set(uncertain)
