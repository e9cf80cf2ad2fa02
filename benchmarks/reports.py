"""How well reports are read, and how fast.

    python benchmarks/reports.py --gold GOLD.csv --reports DIR_OR_TGZ

scores the labeller against gold labels: `--gold` is a CSV with a column `filename` (the report's uId, such as CXR1) and
one column of 0 and 1 for each of the 14 labels of NIH ChestX-ray14; `--reports` a folder of OpenI XML reports, or the
archive NLMCXR_reports.tgz, or a folder that holds it. It prints precision, recall and F1 for each label and over all.
Without arguments it also compares with the samples of the CheXpert labeler and with the sentences annotated for NegEx,
as far as ../shared/data is there, and measures speed.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from mgll_data.reports.labeller import Labeller, ReportFindings, default, read_report
from mgll_data.reports.mentions import Mention
from mgll_data.reports.negation import Certainty
from mgll_data.reports.texts import texts
from mgll_data.reports.tokens import tokenise

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

# What the gold labels mean, in our concepts with all below them. It has no uncertain state: "probable", "A versus B"
# and "borderline" are positive there, "may represent", "possible" and "suggests" are not, which is
# `ReportFindings.positive`. It files pericardial effusion under Effusion and thick fissures under
# Pleural_Thickening, and leaves Hernia empty (0 of 3,080 reports, though 43 state one), so no concept stands for it.
NIH: dict[str, tuple[str, ...]] = {
    "Atelectasis": ("cxr.atelectasis",),
    "Cardiomegaly": ("cxr.cardiomegaly",),
    "Effusion": ("cxr.effusion", "cxr.pericardial_effusion"),
    "Infiltration": ("cxr.infiltrate",),
    "Mass": ("cxr.mass",),
    "Nodule": ("cxr.nodule",),
    "Pneumonia": ("cxr.pneumonia",),
    "Pneumothorax": ("cxr.pneumothorax",),
    "Consolidation": ("cxr.consolidation",),
    "Edema": ("cxr.edema",),
    "Emphysema": ("cxr.emphysema",),
    "Fibrosis": ("cxr.fibrosis",),
    "Pleural_Thickening": ("cxr.pleural_thickening", "cxr.fissure"),
    "Hernia": (),
}
# The CheXpert labeler closes nothing upward: its parents stand for their own words only.
CHEXPERT: dict[str, tuple[str, ...]] = {
    "Enlarged Cardiomediastinum": ("cxr.mediastinum", "cxr.mediastinal_widening"),
    "Cardiomegaly": ("cxr.cardiomegaly",),
    "Lung Lesion": ("cxr.lung_lesion", "cxr.nodule", "cxr.nodule.multiple", "cxr.mass", "cxr.mass.pulmonary"),
    "Lung Opacity": ("cxr.lung_opacity", "cxr.alveolar", "cxr.infiltrate", "cxr.ggo"),
    "Edema": ("cxr.edema",),
    "Consolidation": ("cxr.consolidation",),
    "Pneumonia": ("cxr.pneumonia", "cxr.pneumonia.atypical", "cxr.pneumonia.viral"),
    "Atelectasis": ("cxr.atelectasis", "cxr.atelectasis.linear", "cxr.atelectasis.basal", "cxr.atelectasis.lobar"),
    "Pneumothorax": ("cxr.pneumothorax",),
    "Pleural Effusion": ("cxr.effusion", "cxr.effusion.loculated"),
    "Pleural Other": ("cxr.pleural_thickening", "cxr.pleural_plaque"),
    "Fracture": ("cxr.fracture", "cxr.fracture.rib"),
}
Gold = Mapping[str, Mapping[str, bool]]


def read_gold(path: Path) -> dict[str, dict[str, bool]]:
    """Report id -> NIH label -> whether the gold has it."""
    with path.open(newline="", encoding="utf-8") as file:
        return {row["filename"]: {label: row[label].strip() == "1" for label in NIH} for row in csv.DictReader(file)}


def read_openi(place: Path) -> dict[str, dict[str, str]]:
    """Report id -> section name -> text, from a folder of XML files or NLMCXR_reports.tgz."""
    archive = place / "NLMCXR_reports.tgz" if place.is_dir() else place
    if archive.is_file():
        with tarfile.open(archive) as tar:
            contents = [f.read() for m in tar if m.name.endswith(".xml") and (f := tar.extractfile(m)) is not None]
    else:
        contents = [path.read_bytes() for path in sorted(place.rglob("*.xml"))]
    reports: dict[str, dict[str, str]] = {}
    for content in contents:
        root = ElementTree.fromstring(content)
        found = (
            (part.get("Label", ""), " ".join("".join(part.itertext()).split())) for part in root.iter("AbstractText")
        )
        name = root.find("uId")
        if name is not None:
            reports[name.attrib["id"]] = {label: text for label, text in found if text}
    return reports


def nih_labels(findings: ReportFindings, labeller: Labeller) -> dict[str, bool]:
    """The 14 labels of NIH ChestX-ray14 that a report's findings amount to."""
    below = labeller.hierarchy.ontology.down
    return {label: bool(findings.positive & below(concepts)) for label, concepts in NIH.items()}


def counts(gold: Gold, found: Gold, ids: Iterable[str]) -> dict[str, tuple[int, int, int]]:
    """Label -> true positives, false positives, false negatives."""
    chosen = list(ids)
    return {
        label: (
            sum(gold[i][label] and found[i][label] for i in chosen),
            sum(found[i][label] and not gold[i][label] for i in chosen),
            sum(gold[i][label] and not found[i][label] for i in chosen),
        )
        for label in NIH
    }


def f1(tally: Iterable[tuple[int, int, int]]) -> tuple[float, float, float]:
    """Precision, recall and F1 over the sum of several tallies (micro average); nan where nothing is there."""
    tp, fp, fn = (sum(column) for column in zip(*tally, strict=True))
    over = tp + fp, tp + fn, 2 * tp + fp + fn
    precision, recall, score = (
        part / whole if whole else float("nan") for part, whole in zip((tp, tp, 2 * tp), over, strict=True)
    )
    return precision, recall, score


def _with_hernia(table: Mapping[str, tuple[int, int, int]], stated: int) -> float:
    """Micro F1 if every hernia that a report states counted as a false positive."""
    return f1([*table.values(), (0, stated, 0)])[2]


def half(name: str) -> int:
    """Which half of the development data a report is in: rules were written on half 0 and first tried on half 1."""
    return hashlib.sha256(name.encode()).digest()[-1] % 2


def micro_f1(gold_file: Path, reports: Path) -> float:
    """Micro F1 over the 14 NIH labels; prints the table."""
    labeller = default()
    gold, texts_of = read_gold(gold_file), read_openi(reports)
    absent = sorted(set(gold) - set(texts_of))
    if absent:
        raise SystemExit(f"{reports}: no report {absent[0]} ({len(absent)} of {len(gold)} are missing)")
    findings = {name: labeller.read(texts_of[name]) for name in gold}
    found = {name: nih_labels(read, labeller) for name, read in findings.items()}
    table = counts(gold, found, gold)
    print(f"{'label':<20}{'gold':>6}{'P':>8}{'R':>8}{'F1':>8}")
    for label, tally in table.items():
        print(f"{label:<20}{tally[0] + tally[2]:>6}" + "".join(f"{value:>8.3f}" for value in f1([tally])))
    precision, recall, score = f1(table.values())
    print(f"micro over 14 labels, {len(gold)} reports: precision {precision:.3f} recall {recall:.3f} F1 {score:.3f}")
    stated = sum(bool(read.positive & labeller.hierarchy.ontology.down(["cxr.hernia"])) for read in findings.values())
    print(f"  with the {stated} reports that state a hernia counted as wrong: F1 {_with_hernia(table, stated):.3f}")
    for side in (0, 1):
        ids = [name for name in gold if half(name) == side]
        print(f"  half {side} ({len(ids)} reports): F1 {f1(counts(gold, found, ids).values())[2]:.3f}")
    draws = np.random.default_rng(0)
    names = sorted(gold)
    drawn = [f1(counts(gold, found, draws.choice(names, 771)).values())[2] for _ in range(200)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    print(f"  95 % of samples of 771 reports: F1 {low:.3f} to {high:.3f}")
    return score


def chexpert_agreement(folder: Path) -> None:
    """Prints how many of the CheXpert labeler's verdicts on its samples we share (present, absent, uncertain, none)."""
    with (folder / "labeled_reports.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    words = {"1.0": "present", "0.0": "absent", "-1.0": "uncertain", "": ""}
    same = asked = 0
    for row in rows:
        states = read_report({"report": row["Reports"]}).states
        for label, concepts in CHEXPERT.items():
            said = {str(states[concept]) for concept in concepts if concept in states}
            ours = next((state for state in ("present", "uncertain", "absent") if state in said), "")
            theirs = words[row[label]]
            asked += 1
            same += ours == theirs
            if ours != theirs:
                print(f"  {label}: labeler {theirs or 'nothing'}, here {ours or 'nothing'}: {row['Reports'][:70]!r}")
    print(f"CheXpert labeler samples: {same} of {asked} verdicts agree")


def negex_accuracy(path: Path) -> tuple[int, int]:
    """How many phrases are judged as annotated (negated or not), and how many there are; prints both."""
    labeller = default()
    right = wrong = missing = 0
    with path.open(encoding="utf-8", errors="replace") as file:
        for fields in (line.rstrip("\n").split("\t") for line in list(file)[1:]):
            if len(fields) < 4:
                continue
            tokens, phrase = tokenise(fields[2]), tokenise(fields[1])
            place = _place(tokens, phrase)
            if place is None:
                missing += 1
                continue
            mention = Mention("", "finding", place, place + len(phrase), (place + len(phrase),) * 2)
            negated = labeller.cues.judge(tokens, [mention])[0] is Certainty.ABSENT
            right += negated == (fields[3].strip() == "Negated")
            wrong += negated != (fields[3].strip() == "Negated")
    share = right / (right + wrong)
    print(f"NegEx sentences: {right} of {right + wrong} right ({share:.3f}), {missing} without the phrase")
    return right, right + wrong


def _place(tokens: list[str], phrase: list[str]) -> int | None:
    starts = range(len(tokens) - len(phrase) + 1)
    return next((i for i in starts if phrase and tokens[i : i + len(phrase)] == phrase), None)


def speed(reports: Mapping[str, Mapping[str, str]]) -> None:
    """Prints reports per second on one core, with and without the scrubbed texts."""

    def timed(rows: Iterator[object]) -> float:
        started = time.perf_counter()
        number = sum(1 for _ in rows)
        return number / (time.perf_counter() - started)

    labeller = default()
    parts = list(reports.values())
    plain = timed(labeller.read(part) for part in parts)
    normal = labeller.hierarchy.normal
    whole = timed(texts(labeller.read(part), normal) for part in parts)
    characters = sum(len(text) for part in parts for text in part.values()) / len(parts)
    print(
        f"speed: {plain:.0f} reports/s a core, {whole:.0f} with scrubbed texts ({characters:.0f} characters a report)"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gold", type=Path)
    parser.add_argument("--reports", type=Path)
    chosen = parser.parse_args()
    if (chosen.gold is None) != (chosen.reports is None):
        parser.error("give both --gold and --reports, or neither")
    openi = SHARED / "noncommercial" / "openi-indiana-reports"
    micro_f1(chosen.gold or SHARED / "NegBio-examples/examples/openi_gld_std14_dev.csv", chosen.reports or openi)
    if chosen.gold is None:
        chexpert_agreement(SHARED / "chexpert-labeler-samples")
        negex_accuracy(SHARED / "negex-annotated-report-sentences" / "rsAnnotations-1-120-random.txt")
        speed(read_openi(openi))


if __name__ == "__main__":
    main()
