"""An evaluation's figures as a file and as a table."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from mgll_train.errors import UserError


def check(path: Path) -> None:
    """Raise UserError, before the work is done, where the report cannot be written to `path`."""
    if not path.parent.is_dir() or path.is_dir() or not os.access(path.parent, os.W_OK):
        raise UserError(f"{path}: a report cannot be written there: give a file in a folder that can be written")


def write(report: Mapping[str, Any], path: Path) -> None:
    """Write the report as JSON under its name at once; a figure that does not exist is null."""
    part = path.with_name(path.name + ".part")
    part.write_text(to_json(report) + "\n", encoding="utf-8")
    part.replace(path)


def to_json(report: Mapping[str, Any]) -> str:
    """The report as JSON text, NaN as null."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list):
            return [plain(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(plain(report), indent=1, allow_nan=False)


def summary(report: Mapping[str, Any]) -> Table:
    """The report as a table of at most 80 columns, best concept first."""
    low, high = report["macro_auc_interval"]
    table = Table(
        title=f"zero-shot on {report['split']}: macro AUC {report['macro_auc']:.3f} [{low:.3f}, {high:.3f}]",
        caption=f"{report['images']} images, step {report['step']}, 95 % bootstrap over groups; "
        f"{len(report['not_scored'])} concepts not scored",
        width=78,
    )
    table.add_column("concept", overflow="ellipsis", no_wrap=True, ratio=1)
    for heading in ("AUC", "95 % interval", "AP", "pos.", "neg."):
        table.add_column(heading, justify="right", no_wrap=True)
    for concept in sorted(report["concepts"].values(), key=lambda c: (c["modality"], -c["auc"])):
        low, high = concept["interval"]
        table.add_row(
            concept["name"],
            f"{concept['auc']:.3f}",
            f"{low:.3f} - {high:.3f}",
            f"{concept['ap']:.3f}",
            str(concept["positives"]),
            str(concept["negatives"]),
        )
    return table
