"""Locked YAML into frozen dataclasses: every problem of a file at once, each with its line."""

from __future__ import annotations

import os
import re
import types
import typing
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from mgll_data.errors import UsageError

T = TypeVar("T")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


@dataclass
class Document:
    """One YAML file while it is read: collects problems, and the line of every value by its dotted path."""

    path: Path
    problems: list[str] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)

    def problem(self, where: str, message: str) -> None:
        """Note a problem at the value `where` (dotted path, such as `sources[1].use`), or at its nearest parent."""
        spot = where
        while spot not in self.lines and "." in spot:
            spot = spot.rpartition(".")[0]
        self.problems.append(f"{self.path}:{self.lines.get(spot, 1)}: {message}")

    def stop_on_problems(self) -> None:
        """Raise UsageError with everything noted so far, in line order; do nothing if there is nothing."""
        if self.problems:
            raise UsageError(sorted(self.problems, key=lambda p: int(p[len(str(self.path)) + 1 :].split(":", 1)[0])))


def read(path: Path, kind: type[T]) -> tuple[T | None, Document]:
    """Read a YAML file into the frozen dataclass `kind`.

    Unknown and missing keys and wrong types are noted in the returned Document, not raised, so that the caller can add
    checks of its own and report all of them together; the value is None where it could not be built.
    `${NAME}` and `${NAME:-default}` expand in strings. Raises UsageError only if the file is absent or is not YAML.
    """
    document = Document(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None
    except (UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise UsageError(f"{path}:{line}: not YAML: {getattr(error, 'problem', None) or error}") from error
    if node is None:
        raise UsageError(f"{path}:1: the file is empty")
    return _value(kind, node, "", document), document


def _value(kind: Any, node: yaml.Node, where: str, document: Document) -> Any:
    document.lines.setdefault(where, node.start_mark.line + 1)
    origin = get_origin(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        return _record(kind, node, where, document)
    if origin in (Union, types.UnionType):
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null":
            return None
        return _value(next(k for k in get_args(kind) if k is not type(None)), node, where, document)
    if origin is tuple:
        if not isinstance(node, yaml.SequenceNode):
            document.problem(where, f"{where} must be a list, such as [a, b]")
            return ()
        item = get_args(kind)[0]
        return tuple(_value(item, child, f"{where}[{i}]", document) for i, child in enumerate(node.value))
    if origin is dict:
        if not isinstance(node, yaml.MappingNode):
            document.problem(where, f"{where} must be a mapping, such as {{train: 0.9}}")
            return {}
        item = get_args(kind)[1]
        return {k.value: _value(item, child, f"{where}.{k.value}", document) for k, child in node.value}
    return _scalar(kind, node, where, document)


def _scalar(kind: Any, node: yaml.Node, where: str, document: Document) -> Any:
    if not isinstance(node, yaml.ScalarNode):
        document.problem(where, f"{where} must be one value")
        return None
    value = yaml.safe_load(yaml.serialize(node))
    if isinstance(value, str):
        value = _expand(value, where, document)
    if get_origin(kind) is Literal:
        allowed = get_args(kind)
        if value not in allowed:
            document.problem(
                where, f"{where}: {value!r} is not one of {', '.join(map(str, allowed))}{_near(value, allowed)}"
            )
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is str and isinstance(value, int | float) and not isinstance(value, bool):
        return node.value  # `version: 1.0` is meant as text
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        document.problem(where, f"{where}: {value!r} is not {_NAMES.get(kind, kind.__name__)}")
    return value


_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false", Path: "a path"}


def _record(kind: type, node: yaml.Node, where: str, document: Document) -> Any:
    if not isinstance(node, yaml.MappingNode):
        document.problem(where, f"{where or 'the file'} must be a mapping of keys")
        return None
    hints = get_type_hints(kind)
    known = {f.name: f for f in fields(kind)}
    values: dict[str, Any] = {}
    before = len(document.problems)
    for key_node, child in node.value:
        key = key_node.value
        spot = f"{where}.{key}" if where else key
        document.lines[spot] = key_node.start_mark.line + 1
        if key not in known:
            document.problem(spot, f"unknown key {key!r}{_near(key, known)}; known here: {', '.join(known)}")
        elif key in values:
            document.problem(spot, f"key {key!r} is given twice")
        else:
            values[key] = _value(hints[key], child, spot, document)
    for name, declared in known.items():
        if name not in values and declared.default is MISSING and declared.default_factory is MISSING:
            document.problem(where, f"key {name!r} is missing{' in ' + where if where else ''}")
    return kind(**values) if len(document.problems) == before else None


def _expand(text: str, where: str, document: Document) -> str:
    def replace(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        value = os.environ.get(name, default)
        if value is None:
            document.problem(where, f"{where}: the environment variable {name} is not set: export {name}=...")
            return ""
        return value

    return _VARIABLE.sub(replace, text)


def _near(word: object, known: typing.Iterable[object]) -> str:
    near = get_close_matches(str(word), [str(k) for k in known], n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""
