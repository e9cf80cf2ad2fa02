"""What a finished dataset is made of: `manifest.json`, written last, read by validate, publish and training."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

FILE = "manifest.json"
LATEST = "LATEST"


@dataclass(frozen=True)
class Manifest:
    """Identity and counts of a dataset; keys as in the file. `id` is `<version>-<8 hex of content_sha256>`.

    sources: per name release, licence, terms and read = kept + duplicate + quarantined + excluded.
    splits: per name samples, patients, concepts {id: {present, absent, uncertain}}, texts {level: {instances, unique}}
    and shards [{file, samples, bytes, sha256}]. leakage: what stands in two splits, `counts.leakage`.
    """

    v: int
    name: str
    version: str
    id: str
    modality: str
    created_with: dict[str, str]
    recipe: dict[str, Any]
    recipe_sha256: str
    vocab_sha256: dict[str, str]
    secret_sha256: str | None
    levels: list[str]
    sources: dict[str, dict[str, Any]]
    splits: dict[str, dict[str, Any]]
    leakage: dict[str, int]
    quarantine: dict[str, int]
    content_sha256: str

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Read the manifest of a build, of a published version, or of a published folder (through LATEST).

        Raises FileNotFoundError where there is none and ValueError where it is not a manifest of version 1.
        """
        path = resolve(folder) / FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} is not JSON ({error}): the file is damaged") from error
        names = {f.name for f in fields(cls)}
        if not isinstance(content, dict) or content.get("v") != 1 or names - content.keys():
            lacking = sorted(names - content.keys()) if isinstance(content, dict) else sorted(names)
            raise ValueError(f"{path} is not a manifest of version 1 (missing: {', '.join(lacking) or 'nothing'})")
        return cls(**{name: content[name] for name in names})

    def to_json(self) -> dict[str, Any]:
        """The content of the file."""
        return asdict(self)

    def shards(self, split: str) -> list[dict[str, Any]]:
        """Shard entries of a split, in order; empty where the dataset has none."""
        return list(self.splits.get(split, {}).get("shards", ()))


def resolve(folder: Path) -> Path:
    """The folder that holds manifest.json: this one, or the version that its LATEST file names."""
    latest = folder / LATEST
    if not (folder / FILE).is_file() and latest.is_file():
        return folder / latest.read_text(encoding="utf-8").strip()
    return folder
