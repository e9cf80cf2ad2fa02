"""The images stage of a build: brings the image store up to date with the records, and looks into it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mgll_data.images.process import ImageOptions
from mgll_data.images.store import Item, StoreUpdate, read_bytes, update_store
from mgll_data.recipe import Recipe
from mgll_data.records import OpenSource

__all__ = ["read_bytes", "thumbnail", "update"]

THUMBNAIL = 64


def update(
    recipe: Recipe,
    found: Iterable[OpenSource],
    records: Iterable[Mapping[str, Any]],
    store: Path,
    workers: int,
    retry: bool,
    progress: Callable[[int], None],
) -> StoreUpdate:
    """Decode what the store does not hold yet of these RECORDS rows. progress is called with the number settled."""
    options = recipe.images
    roots = {source.card.name: source.use.root for source in found}
    items = [Item(r["uid"], r["source"], r["image"], roots[r["source"]]) for r in records]
    settled = 0

    def advance(more: int) -> None:
        nonlocal settled
        settled += more
        progress(settled)

    return update_store(
        items,
        store,
        ImageOptions(
            side=options.side,
            mode=options.mode,
            format=options.encode.format,
            quality=options.encode.quality,
            window=options.window,
            min_side=options.reject.min_side,
            max_pixels=options.reject.max_pixels,
            field_of_view=recipe.modality == "fundus",
            find_text=recipe.modality == "cxr" and recipe.curate.phi.burned_in != "ignore",
        ),
        workers=workers,
        retry=retry,
        progress=advance,
    )


def thumbnail(store: Path, image: Mapping[str, Any]) -> NDArray[np.float32]:
    """A stored picture (INDEX row) in grey levels 0 to 255, as (64, 64) float32."""
    data = np.frombuffer(read_bytes(store, image["pack"], image["offset"], image["length"]), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_REDUCED_GRAYSCALE_4)
    return np.asarray(cv2.resize(picture, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA), np.float32)
