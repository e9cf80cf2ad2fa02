"""The sections of a radiology report: from running text, OpenI's labels, CheXpert Plus columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

# A header stands at the start of a line and ends in a colon; in capitals it may be any words, otherwise a known name.
_HEADER = re.compile(
    r"^[ \t]*(?P<name>[A-Z][A-Z0-9 /(),&'-]{2,60}?|"
    r"(?i:findings?|impressions?|conclusions?|indications?|history|clinical history|clinical information|"
    r"reason for exam(?:ination)?|comparisons?|techniques?|examination|exam|addendum|recommendations?(?:\(s\))?))"
    r"[ \t]*:",
    re.MULTILINE,
)
# Names of a section, the first that occurs in a header decides; misspellings are those of public reports.
_NAMES = (
    (
        "impression",
        ("impression", "imprssion", "impresson", "imression", "conclusion", "opinion", "summary", "wet read"),
    ),
    ("findings", ("finding", "findngs", "fidings", "description", "observation")),
    ("addendum", ("addend",)),
    ("recommendation", ("recommend", "notification")),
    # Notes on a case tell of its course, of CT and of other days, so they say nothing of this film.
    ("indication", ("indication", "reason for", "clinical", "history", "narrative", "pfi", "complaint", "notes")),
    ("comparison", ("comparison", "compare", "prior")),
    ("technique", ("technique", "procedure")),
    ("examination", ("exam", "study", "type", "accession", "end of")),
    # A header that only names the film, such as "PORTABLE AP CHEST", stands over what is seen on it.
    ("findings", ("chest", "radiograph", "portable", "view", "film", "pa and lat", "ap and lat")),
)
_EMPTY = frozenset({"", "nan", "none", "null", "n/a", "no impression"})


@dataclass(frozen=True)
class Sections:
    """What a report says, by section; None where the section is missing or empty.

    body: text that stands under no known header. Only `findings`, `impression`, `addendum` and `body` speak of the
    image as it is; the others tell why and how it was taken.
    """

    examination: str | None = None
    indication: str | None = None
    technique: str | None = None
    comparison: str | None = None
    findings: str | None = None
    impression: str | None = None
    addendum: str | None = None
    recommendation: str | None = None
    body: str | None = None

    def stating(self) -> tuple[tuple[str, str], ...]:
        """(name, text) of the sections whose sentences make labels.

        `body` is one only where the report has neither findings nor an impression.
        """
        names = ("findings", "impression", "addendum") if self.findings or self.impression else ("addendum", "body")
        return tuple((name, text) for name in names if (text := getattr(self, name)))


_FIELDS = frozenset(field.name for field in fields(Sections))


def from_text(text: str) -> Sections:
    """Sections of a report in one piece, MIMIC-CXR's style: headers in capitals at the start of a line, with a colon.

    A section that occurs twice is joined in order. "FINDINGS AND IMPRESSION" is an impression: it holds the conclusion.
    Where neither occurs, what the film shows stands below the last header, after an empty line: it becomes `body`.
    """
    found: dict[str, list[str]] = {}
    headers = list(_HEADER.finditer(text))
    ends = [*(header.start() for header in headers[1:]), len(text)][: len(headers)]
    if not headers or text[: headers[0].start()].strip():
        found["body"] = [text[: headers[0].start()] if headers else text]
    for header, end in zip(headers, ends, strict=True):
        found.setdefault(section_name(header["name"]), []).append(text[header.end() : end])
    if headers and not any("".join(found.get(name, ())).strip() for name in ("findings", "impression")):
        last = found[section_name(headers[-1]["name"])]
        last[-1], rest = _first_paragraph(last[-1])
        if rest:  # what stands above the first header then names the film
            found.setdefault("examination", []).extend(found.pop("body", []))
            found["body"] = [rest]
    return _typed({name: "\n".join(part.strip() for part in parts) for name, parts in found.items()})


def _first_paragraph(text: str) -> tuple[str, str]:
    """A section's first paragraph and the paragraphs behind it."""
    first, _, rest = re.sub(r"\n[ \t]*\n", "\n\n", text.strip()).partition("\n\n")
    return first, rest


def from_mapping(parts: Mapping[str, str]) -> Sections:
    """Sections of a report that comes in pieces: OpenI's labels, CheXpert Plus columns (`section_findings`), our own.

    A lone piece under `report` or `text` is taken apart as running text. Empty pieces and the words that tables use
    for nothing (nan, None) are left out.
    """
    joined: dict[str, list[str]] = {}
    for name, text in parts.items():
        if not isinstance(text, str) or text.strip().lower().rstrip(".") in _EMPTY:
            continue
        key = name.lower().removeprefix("section_").replace("_", " ").strip()
        if key in ("report", "text", "full report"):
            if len(parts) == 1:
                return from_text(text)
            continue  # the same words again, beside their sections
        joined.setdefault(section_name(key), []).append(text)
    return _typed({name: "\n".join(texts) for name, texts in joined.items()})


def section_name(header: str) -> str:
    """The field of `Sections` that a header means; `body` for an unknown one."""
    lower = " ".join(header.lower().split())
    if lower in _FIELDS:
        return lower
    return next((name for name, words in _NAMES if any(word in lower for word in words)), "body")


def _typed(parts: Mapping[str, str]) -> Sections:
    cleaned = {name: text.strip() for name, text in parts.items()}
    return Sections(**{name: text for name, text in cleaned.items() if text.lower().rstrip(".") not in _EMPTY})
