"""The patterns of what identifies a person in report text, in the order in which they are replaced."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from mgll_data.phi.words import CLINICAL

GAP = "___"


class Rule(NamedTuple):
    """What `pattern` finds is replaced by `by`: its group `name` where it has taken part, else the whole match.

    triggers: lower-case strings; the pattern is tried only on texts that hold one ("" is in all). digits: and only
    where a run of digits and separators is at least so long. accept: a last test of what would be replaced.
    """

    kind: str
    triggers: tuple[str, ...]
    pattern: re.Pattern[str]
    digits: int = 0
    accept: Callable[[str], bool] | None = None
    by: str = GAP


def _unknown(found: str) -> bool:
    """Whether none of the words is a clinical one: "for John Smith", not "for Pleural Effusion"."""
    return CLINICAL.isdisjoint(re.split(r"[^\w'-]+", found.lower()))


_NAME = r"(?:[^\W\d_][\w'\u2019-]*\.?)"  # any word, or an initial
_TITLED = r"(?:[A-Z]\b\.?|(?:[A-Z][a-z]?['\u2019]|Ma?c|van |von |de |der |del |da |di |la |Le|De)*[A-Z][\w'\u2019-]+)"
_PARTICLE = r"(?:[A-Z]['\u2019]|Ma?c|van |von |de |der |del |da |di |la |Le|De)*"
_MIXED = rf"(?:[A-Z]\b\.?|{_PARTICLE}[A-Z][a-z\u00df-\u00ff]+(?:-[A-Z][a-z]+)*)"
_NO_NAME = r"(?i:for|to|from|at|in|the|of|reason|outside|our|this|a|an|prior|previous|other|on|by|with|and)"
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_YEAR = r"(?:19|20)\d\d"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_MON = r"(?:0?[1-9]|1[0-2])"
_IDS = (
    "mrn|medical record|accession|account|acct|acc|patient id|pt id|study id|exam id|id|ssn|order|encounter|visit|csn|"
    "nhs|chart|record|case|requisition|policy|license|licence|serial|dob"
)
_STREETS = "street|avenue| ave|road|boulevard|blvd| lane|drive| st | st.| st,| rd| way"
_ROLES = "patient|pt|physician|provider|radiologist|clinician|attending|resident|technologist"
_NO_UNIT = r"(?![.,]?\d)(?!\s?(?:mm|cm|ml|cc|mg|kg|hu|x\b|%))"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_NAMES = "January|February|March|April|May|June|July|August|September|October|November|December"


def _compile(pattern: str, *, cased: bool = False) -> re.Pattern[str]:
    return re.compile(pattern, 0 if cased else re.IGNORECASE)


RULES = (
    Rule("gap", ("xx", "[**"), _compile(r"X{2,}(?:-X{2,})*|\[\*\*[^\]]*\*\*\]", cased=True)),
    Rule("email", ("@",), _compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*")),
    Rule(
        "url",
        ("://", "www.", ".com", ".org", ".edu", ".gov", ".net"),
        _compile(r"\b(?:[a-z]+://|www\.)\S+|\b[\w-]+(?:\.[\w-]+)*\.(?:com|org|edu|gov|net)\b\S*"),
    ),
    Rule("uid", ("",), _compile(r"\b\d+(?:\.\d+){4,}\b"), 9),
    Rule(
        "date",
        ("",),
        _compile(
            rf"(?<![\d.]){_YEAR}([-/.]){_MON}\1{_DAY}(?:[T ]?\d\d:?\d\d(?::?\d\d)?(?:\.\d+)?Z?)?\b"
            rf"|(?<![\d.]){_MON}([-/.]){_DAY}\2(?:{_YEAR}|\d\d)\b{_NO_UNIT}"
            rf"|(?<![\d.]){_DAY}([-/.]){_MON}\3(?:{_YEAR}|\d\d)\b{_NO_UNIT}"
            rf"|(?<![\d./]){_MON}[-/]{_YEAR}\b"
            rf"|\b{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\d{{4,6}})?\b"
        ),
        6,
    ),
    Rule(
        "date",
        _MONTHS,
        _compile(
            rf"\b{_DAY}(?:st|nd|rd|th)?[ -]?(?:of )?{_MONTH}\b\.?(?:,?[ -]?(?:{_YEAR}|'?\d\d))?\b{_NO_UNIT}"
            rf"|\b{_MONTH}\.?[ -]?(?:{_DAY}(?:st|nd|rd|th)?(?:,? {_YEAR})?|{_YEAR}|'\d\d)\b{_NO_UNIT}(?! ribs?)"
        ),
        1,
    ),
    Rule(
        "date",
        tuple(_MONTH_NAMES.lower().split("|")),
        _compile(
            r"\b(?:[Ii]n|[Ss]ince|[Ff]rom|[Oo]f|[Ll]ast|[Oo]n|[Dd]ated|[Uu]ntil) "
            rf"(?P<name>{_MONTH_NAMES})\b",
            cased=True,
        ),
    ),
    Rule(
        "date",
        ("/",),
        _compile(
            rf"(?<![\d./]){_MON}/(?:1[3-9]|2\d|3[01])\b(?![/.]\d)"
            rf"|(?:(?<=\bon )|(?<=\bof )|(?<=from )|(?<=since )|(?<=dated )|(?<=study )){_MON}/{_DAY}\b(?!/)"
        ),
        3,
    ),
    Rule(
        "phone",
        ("",),
        _compile(
            r"(?<![\w.])(?:\+?1[-. ]?)?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}\b"
            r"|(?<![\w.-])\d{3}-\d{4}\b|\+\d{1,3}(?:[ -]?\d){7,12}\b"
        ),
        4,
    ),
    Rule(
        "phone",
        ("phone", "page", "beeper", "tel", "fax", "ext", "cell", "mobile"),
        _compile(
            r"\b(?:phone|pager?|beeper|tel|telephone|fax|ext|extension|cell|mobile)\b[.:# ]*(?:number |no\.? |at )?"
            r"#?(?P<name>[x(]?\d[\d() -]{2,}\d)"
        ),
        3,
    ),
    Rule(
        "id",
        tuple(_IDS.split("|")),
        _compile(
            rf"\b(?:{_IDS})"
            r"(?: ?(?:number|no|num|nr|id))?[ .:#=]*[:#= ][ .:#=]*(?P<name>[a-z]{0,6}-?\d[\w./-]*\w)"
        ),
        3,
        lambda found: sum(char.isdigit() for char in found) >= 3,
    ),
    Rule("time", (":",), _compile(r"\b(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?(?:\s?[ap]\.?m\b\.?)?"), 4),
    Rule("time", ("hour", "hr", "h "), _compile(r"\b(?:[01]\d|2[0-3])[0-5]\d\s?(?:hours|hrs?|h)\b"), 4),
    Rule("time", ("am", "pm", "a.m", "p.m"), _compile(r"\b(?:1[0-2]|0?[1-9])\s?[ap]\.?m\b\.?(?!\w)"), 1),
    Rule(
        "age",
        ("9", "1"),
        _compile(
            r"(?P<name>[91](?<![\w.].)(?:(?<=9)\d|(?<=1)[0-2]\d))"
            r"(?=[- ]?(?:years?|yrs?|y)\b|[- ]?y\.?/?o\b|[- ]year|[- ]?[mf]\b)"
            r"|(?:(?<=\bage )|(?<=\baged )|(?<=\bage: )|(?<=\bage of ))(?:9\d|1[0-2]\d)\b|\b(?:09\d|1[0-2]\d)Y\b"
        ),
        2,
        by="90+",
    ),
    Rule(
        "address",
        (
            "street",
            "avenue",
            " ave",
            "road",
            "boulevard",
            "blvd",
            " lane",
            "drive",
            " st ",
            " st.",
            " st,",
            " rd",
            " way",
        ),
        _compile(
            r"\b\d+ (?:[NSEW]\.? )?(?:[A-Z][a-z]+ ){1,3}"
            r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Way)\b\.?",
            cased=True,
        ),
        1,
    ),
    Rule("id", ("",), _compile(r"\b[a-z]{0,6}-?\d{5,}(?:[-_]?\w+)*\b|\b\d{3}-\d\d-\d{4}\b"), 5),
    Rule("id", ("",), _compile(r"\b(?=\w*[a-z])(?:[a-z_]*\d){4,}\w*\b(?<![cm]m)(?<!ml)(?<!cc)(?<!mg)"), 2),
    Rule("date", ("19", "20"), _compile(rf"(?<![\w.,/-]){_YEAR}(?![\w/-]){_NO_UNIT}"), 4),
    Rule("name", ("^",), _compile(r"\b[^\W\d_][\w'-]*(?:\^+[\w'. -]*\w)+\^*")),
    Rule(
        "name",
        ("dr", "mr", "ms", "miss", "prof", "doctor", "nurse"),
        _compile(
            # MR and MS without a full stop are magnetic resonance and multiple sclerosis.
            r"\b(?:(?!MR\b[^.]|MS\b[^.])(?i:drs?|mrs?|ms|miss|prof|professor|doctor|nurse))\b\.?\s+"
            rf"(?P<name>{_NAME}(?:(?:,? and(?! (?:Dr|Mr|Ms))|,)? {_TITLED}){{0,3}})",
            cased=True,
        ),
    ),
    Rule(
        "name",
        ("m.d", "md", "rn", " np", "ph.d", "phd", "d.o", "pa-c"),
        _compile(
            rf"\b(?P<name>{_TITLED}(?: {_TITLED}){{0,3}}),? (?:M\.?D\b|D\.O\.|R\.?N\b|NP\b|PA-C\b|Ph\.?D\b)", cased=True
        ),
        accept=_unknown,
    ),
    Rule(
        "name",
        ("name", *_ROLES.split("|")),
        _compile(
            rf"\b(?i:(?:{_ROLES})(?:'s)?(?: name)?|name)\s*[:=]\s*(?P<name>{_NAME}(?:,? {_TITLED}){{0,3}})",
            cased=True,
        ),
        accept=_unknown,
    ),
    Rule(
        "name",
        ("",),
        _compile(
            r"(?:for|For|FOR|with|With|to|To|from|From|patient|Patient|otified|aged|alled|nformed|by|By|BY)"
            rf" (?P<name>{_MIXED},? {_MIXED}(?: {_MIXED}){{0,2}})\b",
            cased=True,
        ),
        accept=_unknown,
    ),
    # A text in capitals gives a name away only after a verb of writing: "FOR JOHN SMITH" looks like "FOR CHEST PAIN".
    Rule(
        "name",
        ("ed by", "author", "discussed", "spoke", "communic", "reviewed", "notified", "paged", "called", "informed"),
        _compile(
            r"(?i:ed by|author|(?:discussed|spoke|communicated|reviewed) (?:with|to)|notified|paged|called|informed):? "
            rf"(?P<name>{_TITLED},? {_TITLED}(?: {_TITLED}){{0,2}})\b",
            cased=True,
        ),
        accept=_unknown,
    ),
    Rule(
        "place",
        ("hospital", "medical cent", "clinic", "infirmary", "health system", "healthcare", "university", "institute"),
        _compile(
            rf"\b(?P<name>(?:(?!{_NO_NAME}\b)(?:St\.|[A-Z][\w'\u2019&-]+) (?:of (?:the )?)?){{1,5}}(?i:hospitals?|"
            r"medical cent(?:er|re)|clinics?|infirmary|health ?(?:care )?(?:system|center)|healthcare|university|"
            r"institute))\b",
            cased=True,
        ),
        accept=_unknown,
    ),
)
