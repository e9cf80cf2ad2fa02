"""Helpers of the source tests: the real folders, writing fixtures, and telling records from rejections."""

from __future__ import annotations

import pytest

from mgll_data.schema import EXCLUSION_REASONS, QUARANTINE_REASONS
from mgll_data.sources.base import RawRecord, Rejected
from tests.conftest import SHARED


def real(name):
    if not (SHARED / name).is_dir():
        pytest.skip("the real files are not on this machine")
    return SHARED / name


def put(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def split(items):
    records = [item for item in items if isinstance(item, RawRecord)]
    rejected = [item for item in items if isinstance(item, Rejected)]
    assert len(records) + len(rejected) == len(items)
    assert len({record.image for record in records}) == len(records)
    known = {"quarantined": QUARANTINE_REASONS, "excluded": EXCLUSION_REASONS}
    assert all(item.reason in known[item.outcome] for item in rejected)
    return records, rejected
