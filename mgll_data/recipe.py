"""What to build, from which sources, how: a locked YAML file as frozen dataclasses."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from mgll_data import locked
from mgll_data.errors import UsageError
from mgll_data.schema import LEVELS, SPLITS
from mgll_data.sources import base
from mgll_data.votes import Policy

REPORT_TABLES = ("mentions.csv", "cues.csv")
VOCAB = Path(__file__).parent / "vocab"


@dataclass(frozen=True)
class SourceUse:
    """One source of a recipe. views: keep only these. partial: files not downloaded are excluded, not quarantined."""

    use: str
    root: Path
    views: tuple[Literal["pa", "ap", "lateral", "other"], ...] = ()
    partial: bool = False


@dataclass(frozen=True)
class Labels:
    """hierarchy: fundus, cxr, or a folder laid out like theirs. unmapped: what a word outside the label tables does.

    reports: `add` lets a report say what its source's labels leave unknown; a source's own labels always stand.
    votes: how many of a source's readers make a finding present; seen by fewer, but by one at least, it is uncertain.
    """

    hierarchy: str
    uncertain: Literal["keep", "drop"] = "keep"
    unmapped: Literal["error", "quarantine", "ignore"] = "error"
    votes: Policy = "majority"
    reports: Literal["off", "add"] = "off"


@dataclass(frozen=True)
class Encode:
    """Format of the stored images; quality is JPEG's or WebP's 1 to 100."""

    format: Literal["jpeg", "png", "webp"] = "jpeg"
    quality: int = 95


@dataclass(frozen=True)
class Reject:
    """Limits on the originals: shortest side in pixels at least, width x height in pixels at most."""

    min_side: int = 64
    max_pixels: int = 64_000_000


@dataclass(frozen=True)
class Images:
    """side: longest side of the stored image in pixels. window: how DICOM values become grey levels."""

    side: int = 512
    mode: Literal["gray8", "rgb8"] = "rgb8"
    encode: Encode = field(default_factory=Encode)
    window: Literal["voi", "percentile"] = "voi"
    reject: Reject = field(default_factory=Reject)


@dataclass(frozen=True)
class Near:
    """Near duplicates: pictures whose 64-bit dHash differs in at most `bits` bits are put into one group."""

    bits: int = 4
    action: Literal["group", "ignore"] = "group"


@dataclass(frozen=True)
class Phi:
    """burned_in: what text near the border of a film, or a header that says so, does to the film."""

    burned_in: Literal["quarantine", "flag", "ignore"] = "quarantine"


@dataclass(frozen=True)
class Curate:
    """exact: keep one of several pictures with equal pixels, or all of them (in one group)."""

    exact: Literal["drop", "keep"] = "drop"
    near: Near = field(default_factory=Near)
    phi: Phi = field(default_factory=Phi)


@dataclass(frozen=True)
class Texts:
    """levels: granularities to write, coarse to fine. per_level: most texts of a level for one image."""

    levels: tuple[str, ...]
    per_level: int = 4


@dataclass(frozen=True)
class Split:
    """official: keep the sources' own splits or hash every group. conflict: for a group in two official splits."""

    by: Literal["patient"] = "patient"
    ratios: dict[str, float] = field(default_factory=lambda: {"train": 0.9, "val": 0.05, "test": 0.05})
    official: Literal["keep", "ignore"] = "keep"
    conflict: Literal["error", "test_wins", "drop"] = "test_wins"
    only_test: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shards:
    """samples: number of samples in a tar."""

    samples: int = 1000


@dataclass(frozen=True)
class Licences:
    """accept: ids of the licences that ask for more than attribution and that the user has read and accepts."""

    accept: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """quarantine: largest share of a source's records that may be quarantined before the build fails."""

    quarantine: float = 0.02


@dataclass(frozen=True)
class Publish:
    """to: folder or fsspec URL. public: whether strangers can read it (then every source must be redistributable)."""

    to: str
    public: bool = False


@dataclass(frozen=True)
class Recipe:
    """A whole build. `path` is where it was read from, kept out of its identity."""

    name: str
    version: str
    sources: tuple[SourceUse, ...]
    labels: Labels
    texts: Texts
    seed: int = 0
    images: Images = field(default_factory=Images)
    curate: Curate = field(default_factory=Curate)
    split: Split = field(default_factory=Split)
    shards: Shards = field(default_factory=Shards)
    licences: Licences = field(default_factory=Licences)
    limits: Limits = field(default_factory=Limits)
    publish: Publish | None = None

    @property
    def vocab(self) -> Path:
        """Folder of the vocabulary files."""
        named = VOCAB / self.labels.hierarchy
        return named if named.is_dir() else Path(self.labels.hierarchy)

    @property
    def modality(self) -> str:
        """`fundus` or `cxr`, as its sources are."""
        return base.find(self.sources[0].use).card.modality

    def identity(self) -> dict[str, Any]:
        """The resolved recipe without paths and places: what is hashed into the manifest."""
        resolved = asdict(self)
        del resolved["publish"]
        resolved["labels"]["hierarchy"] = Path(self.labels.hierarchy).name
        for source in resolved["sources"]:
            del source["root"]
        return dict(json.loads(json.dumps(resolved)))

    def sha256(self) -> str:
        """Digest of `identity()`."""
        return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()


def load(path: Path) -> Recipe:
    """Read and check a recipe. Raises UsageError with every problem found, each with its line."""
    recipe, document = locked.read(path, Recipe)
    _check_sources(document, recipe)
    if recipe is not None:
        _check_values(document, recipe)
    document.stop_on_problems()
    assert recipe is not None
    return recipe


def _check_sources(document: locked.Document, recipe: Recipe | None) -> None:
    if recipe is None:
        # The recipe could not be built: still report unknown sources beside the misspelt key.
        for where, name in _named_sources(document.path):
            _check_name(document, where, name)
        return
    seen: set[str] = set()
    for i, source in enumerate(recipe.sources):
        where = f"sources[{i}].use"
        _check_name(document, where, source.use)
        if source.use in seen:
            document.problem(where, f"source {source.use!r} is listed twice: its samples would share ids")
        seen.add(source.use)
    if not recipe.sources:
        document.problem("sources", "sources is empty: name at least one, see `mgll-data sources`")


def _named_sources(path: Path) -> list[tuple[str, str]]:
    import yaml

    content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    listed = content.get("sources") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        return []
    return [(f"sources[{i}].use", str(s["use"])) for i, s in enumerate(listed) if isinstance(s, dict) and "use" in s]


def _check_name(document: locked.Document, where: str, name: str) -> None:
    try:
        base.find(name)
    except UsageError as error:
        document.problem(where, str(error))


def _check_values(document: locked.Document, recipe: Recipe) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", recipe.name):
        document.problem("name", f"name: {recipe.name!r} must be lower-case letters, digits, - and _")
    if not re.fullmatch(r"\d+\.\d+\.\d+", recipe.version):
        document.problem("version", f"version: {recipe.version!r} must look like 0.1.0")
    for name in [s for s in recipe.split.ratios if s not in SPLITS]:
        document.problem("split.ratios", f"split.ratios: {name!r} is not one of {', '.join(SPLITS)}")
    if abs(sum(recipe.split.ratios.values()) - 1) > 1e-9 or min(recipe.split.ratios.values(), default=-1) < 0:
        document.problem("split.ratios", f"split.ratios must be positive and sum to 1, found {recipe.split.ratios}")
    for where, low, value, high in (
        ("images.side", 32, recipe.images.side, 8192),
        ("images.encode.quality", 1, recipe.images.encode.quality, 100),
        ("images.reject.max_pixels", 1, recipe.images.reject.max_pixels, 2**31),
        ("curate.near.bits", 0, recipe.curate.near.bits, 16),
        ("texts.per_level", 1, recipe.texts.per_level, 64),
        ("shards.samples", 1, recipe.shards.samples, 1_000_000),
        ("limits.quarantine", 0, recipe.limits.quarantine, 1),
    ):
        if not low <= value <= high:
            document.problem(where, f"{where}: {value} is not between {low} and {high}")
    if not (recipe.vocab / "hierarchy.csv").is_file():
        document.problem(
            "labels.hierarchy", f"labels.hierarchy: no vocabulary {recipe.labels.hierarchy!r}; use fundus or cxr"
        )
    known = [s for s in recipe.sources if s.use in base.names()]
    modalities = {base.find(s.use).card.modality for s in known}
    if len(modalities) > 1:
        document.problem("sources", "sources mix fundus and chest X-ray sets: write one recipe for each")
    for modality in modalities if len(modalities) == 1 else ():
        for level in [level for level in recipe.texts.levels if level not in LEVELS[modality]]:
            document.problem("texts.levels", f"texts.levels: {level!r} is not one of {', '.join(LEVELS[modality])}")
    if "report" in recipe.texts.levels or recipe.labels.reports == "add":
        for name in [name for name in REPORT_TABLES if not (recipe.vocab / name).is_file()]:
            document.problem("labels.hierarchy", f"labels.hierarchy: reports need {recipe.vocab / name}")
    if not recipe.texts.levels:
        document.problem("texts.levels", "texts.levels is empty")
    for name in recipe.split.only_test:
        if name not in {s.use for s in recipe.sources}:
            document.problem("split.only_test", f"split.only_test: {name!r} is not a source of this recipe")
