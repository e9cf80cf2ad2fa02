"""Plain values of YAML against the types of the names that they are for."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin


def typed(kind: Any, value: Any) -> tuple[Any, str]:
    """A plain value as the annotated type of its key, and what is wrong with it in words (empty: nothing)."""
    if get_origin(kind) in (Union, types.UnionType):
        inner = next(k for k in get_args(kind) if k is not type(None))
        return (None, "") if value is None else typed(inner, value)
    if get_origin(kind) is Literal:
        allowed = get_args(kind)
        return value, "" if value in allowed else f"{value!r}, which is not one of {', '.join(allowed)}"
    if get_origin(kind) in (tuple, Sequence):
        example = "[category, diagnostic]" if get_args(kind)[0] is str else "[2, 1]"
        items = (
            [typed(get_args(kind)[0], item) for item in value] if isinstance(value, list | tuple) else [(value, "no")]
        )
        wrong = f"{value!r}, which is not a list such as {example}" if any(fault for _, fault in items) else ""
        return (value, wrong) if wrong else (tuple(item for item, _ in items), "")
    if get_origin(kind) in (dict, Mapping):
        if not isinstance(value, dict):
            return value, f"{value!r}, which is not a mapping such as {{alpha: 1.0}}"
        entries = {key: typed(get_args(kind)[1], entry) for key, entry in value.items()}
        faults = [f"{value!r}, where {key} is {fault}" for key, (_, fault) in entries.items() if fault]
        return {key: entry for key, (entry, _) in entries.items()}, "; ".join(faults)
    if kind is Any:
        return value, ""
    if kind is float and not isinstance(value, bool):
        if isinstance(value, int):
            return float(value), ""
        try:  # YAML 1.1 reads 5e-4 (no point) as text
            return float(value), ""
        except (TypeError, ValueError):
            return value, f"{value!r}, which is not a number"
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value, ""
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    return value, f"{value!r}, which is not {names[kind]}"
