"""What all tests share: where the real data is, and how to skip without it."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def shared() -> Path:
    """Folder of the real data sets; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("../shared/data is not there")
    return SHARED
