"""Pictures for the layouts of label tables and class folders: one case each, with copies and damage counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mgll_data.phantoms.chest import draw_chest
from mgll_data.phantoms.chest_film import Finding, View
from mgll_data.phantoms.fundus import draw_fundus
from mgll_data.phantoms.writing import Unit, encode, expected, grey_bytes, place, stream, units

Laterality = Literal["left", "right"]


@dataclass(frozen=True)
class Drawn:
    """A drawn picture. case: the key of its findings, which a layout writes as a label. side: of the eye; view: of a
    film. image: uint8 (H, W) grey or (H, W, 3) RGB. rng: for what else the row needs; a copy's is its own."""

    unit: Unit
    case: str
    image: NDArray[np.uint8]
    rng: np.random.Generator
    laterality: Laterality = "right"
    view: View = "pa"

    @property
    def number(self) -> int:
        """Number of the picture in the source, from 0."""
        return self.unit.number


@dataclass
class Tally:
    """Writes the pictures of a layout and counts what a build must find: `placed` for each, `expected` at the end."""

    read: int = 0
    copies: int = 0
    damages: Counter[str] = field(default_factory=Counter)

    def placed(self, drawn: Drawn, path: Path) -> None:
        """Write the picture, in the format of the path's suffix, whole or damaged."""
        kind: Any = "jpg" if path.suffix.lower() in (".jpg", ".jpeg") else path.suffix.lower().lstrip(".")
        place(path, encode(drawn.image, kind), drawn.unit.damage)
        self.counted(drawn)

    def seen(self, drawn: Drawn, path: Path) -> None:
        """The same for a source without a table, which reads only what is on disk: a missing picture is not counted."""
        if drawn.unit.damage != "missing_image":
            self.placed(drawn, path)

    def counted(self, drawn: Drawn) -> None:
        """Count a picture that the layout has written itself."""
        self.read += 1
        self.copies += drawn.unit.is_copy
        if drawn.unit.damage:
            self.damages[drawn.unit.damage] += 1

    def expected(self, **excluded: int) -> dict[str, Any]:
        """The `expected` part of phantoms.json; `excluded` by reason, counted into what is read."""
        facts = expected(self.read + sum(excluded.values()), self.damages, self.copies)
        return facts | {"excluded": {reason: number for reason, number in sorted(excluded.items()) if number}}


def photographs(
    source: str, count: int, seed: int, cases: Mapping[str, Mapping[str, float]], *, side: int = 288
) -> Iterator[Drawn]:
    """`count` fundus photographs, the cases in turn. cases: label -> findings for `draw_fundus` (0 to 1 each)."""
    names = list(cases)
    for unit in units(count):
        rng, shown = stream(source, seed, unit.number), stream(source, seed, unit.shows)
        case, laterality = names[unit.shows % len(names)], ("left", "right")[int(shown.integers(2))]
        eye: Any = laterality
        yield Drawn(unit, case, draw_fundus(shown, cases[case], side=side, laterality=eye), rng, laterality=eye)


def films(
    source: str,
    count: int,
    seed: int,
    cases: Mapping[str, Sequence[Finding]],
    *,
    views: Sequence[View] = ("pa",),
    side: int = 256,
) -> Iterator[Drawn]:
    """`count` chest films, cases and views in turn. cases: label -> findings for `draw_chest`."""
    names = list(cases)
    for unit in units(count):
        rng, shown = stream(source, seed, unit.number), stream(source, seed, unit.shows)
        case, view = names[unit.shows % len(names)], views[unit.shows % len(views)]
        image = grey_bytes(draw_chest(shown, cases[case], side=side, view=view).image)
        yield Drawn(unit, case, image, rng, view=view)
