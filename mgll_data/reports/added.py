"""What a report adds to its source's own labels: concepts that they leave unknown, never anything against them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from mgll_data.hierarchy import Closed, Hierarchy
from mgll_data.schema import State


def with_report(closed: Closed, report: str, hierarchy: Hierarchy) -> tuple[Closed, dict[str, State]]:
    """The labels closed again with what the report adds, and what that is. report: JSON of concept -> state."""
    added = unknown_before(closed, {concept: State(state) for concept, state in json.loads(report).items()}, hierarchy)
    if not added:
        return closed, {}
    by_state = {state: {concept for concept, said in added.items() if said is state} for state in State}
    again = hierarchy.close(
        closed.present | by_state[State.PRESENT],
        closed.absent | by_state[State.ABSENT],
        closed.uncertain | by_state[State.UNCERTAIN],
    )
    return Closed(again.present, again.absent, again.uncertain, closed.conflicts + again.conflicts), added


def unknown_before(closed: Closed, report: Mapping[str, State], hierarchy: Hierarchy) -> dict[str, State]:
    """What a report says of concepts that the source's own labels leave unknown.

    Nothing that would overturn a label: no finding beside a "normal" of the source or below what it denies, no "normal"
    beside its findings, no denial of what a present or uncertain concept follows from.
    """
    ontology = hierarchy.ontology
    denied = ontology.down(closed.absent)
    known = ontology.up(closed.present | closed.uncertain) | closed.present | denied
    added: dict[str, State] = {}
    for concept, state in report.items():
        above = ontology.up([concept])
        if concept in known:
            continue
        if state is State.ABSENT:
            added[concept] = state
        elif concept == hierarchy.normal:
            if hierarchy.abnormal not in known:
                added[concept] = state
        elif above.isdisjoint(denied) and not (hierarchy.normal in closed.present and hierarchy.abnormal in above):
            added[concept] = state
    return added
