"""How many label instances of the real label files have a real explanatory text, and examples of every text level.

A label instance is a word that a source states of one image. It has a real text where a concept that it makes present
has an explanation, which is more than the concept's name; FLAIR's dictionary reaches 32.7 % of the instances in its
pretraining tables (measured on the published tables and dictionary, not here).

python benchmarks/texts.py [--data ../shared/data] [--examples]
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from mgll_data import hierarchy
from mgll_data.harmonise import LabelMap, load_labels
from mgll_data.hierarchy import Hierarchy
from mgll_data.recipe import VOCAB
from mgll_data.schema import LEVELS, State
from mgll_data.sources import base
from mgll_data.sources.base import RawRecord
from mgll_data.texts import templates
from mgll_data.texts.targets import Subject, Writer
from mgll_data.texts.templates import Templates

FOLDERS = {
    "idrid": "IDRiD",
    "rfmid": "RFMiD-labels/Training_Set",
    "odir5k": "noncommercial/ODIR-5K-subset",
    "nih_cxr14": "NIH_ChestXray14",
    "covid19_hannover": "hannover-covid-19-image-repository",
    "openi": "noncommercial/openi-indiana-reports",
    "covid_chestxray": "noncommercial/covid-chestxray-ieee8023-subset",
}
COLUMNS = ("instances", "explained", "raised or denied", "unmapped")
Example = tuple[str, str | None, tuple[str, ...], tuple[str, ...], dict[str, tuple[str, ...]]]
EXAMPLES: tuple[Example, ...] = (  # modality, eye, present, uncertain, qualifiers
    ("fundus", "right", ("fundus.dr_mod", "fundus.dme"), (), {}),
    ("fundus", "left", ("fundus.glau", "fundus.no_dr"), ("fundus.cat",), {}),
    (
        "cxr",
        None,
        ("cxr.effusion", "cxr.cardiomegaly", "cxr.consolidation"),
        ("cxr.pneumonia",),
        {"cxr.effusion": ("left", "moderate"), "cxr.cardiomegaly": ("mild",), "cxr.consolidation": ("lower", "right")},
    ),
)


def count(name: str, root: Path) -> Counter[str]:
    """Label instances of one source's files, by what becomes of them."""
    source = base.find(name)
    folder = VOCAB / source.card.modality
    loaded = hierarchy.load(folder)
    labels = load_labels(folder, [source.card], loaded)[name]
    wording = templates.load(folder, loaded)
    outcome: dict[str, str] = {}
    counted: Counter[str] = Counter()
    for record in source.read(root):
        if isinstance(record, RawRecord):
            for word, state in record.labels.items():
                if state is not State.ABSENT:
                    if word not in outcome:
                        outcome[word] = becomes(word, labels, loaded, wording)
                    counted["instances"] += 1
                    counted[outcome[word]] += 1
    return counted


def becomes(word: str, labels: LabelMap, loaded: Hierarchy, wording: Templates) -> str:
    """`explained`, `bare` (a concept is present and has no explanation), `raised or denied` or `unmapped`."""
    statements, closed, unknown = labels.apply({word: State.PRESENT}, loaded)
    direct = {s.concept for s in statements if s.state is State.PRESENT}
    direct |= {c for c, negated in loaded.negations.items() if c in closed.present and negated in closed.absent}
    if unknown or not any(s.state for s in statements):
        return "unmapped"
    if not direct & closed.present:
        return "raised or denied"
    real = [c for c in direct if any(t != loaded.concepts[c].name for t in wording.explanations.get(c, ()))]
    return "explained" if real else "bare"


def sizes() -> None:
    """How much wording each vocabulary has."""
    for modality in LEVELS:
        loaded = hierarchy.load(VOCAB / modality)
        wording = templates.load(VOCAB / modality, loaded)
        phrases, explanations = (list(table.values()) for table in (wording.phrases, wording.explanations))
        print(
            f"{modality}: {len(phrases)} concepts, {sum(map(len, phrases))} phrases (each has {min(map(len, phrases))} "
            f"at least), {sum(map(len, explanations))} explanations ({min(map(len, explanations))} at least)"
        )


def examples() -> None:
    """All texts of three images."""
    for modality, eye, present, raised, words in EXAMPLES:
        loaded = hierarchy.load(VOCAB / modality)
        levels = [level for level in LEVELS[modality] if level != "report"]
        writer = Writer(loaded, templates.load(VOCAB / modality, loaded), modality, levels, 2)
        closed = frozenset(loaded.ontology.up(present))
        view = "pa" if modality == "cxr" else None
        print(f"\n{', '.join(present)}" + (f"; uncertain: {', '.join(raised)}" if raised else ""))
        for text in writer.texts(
            Subject("example", closed, view, eye, None, uncertain=frozenset(raised), qualifiers=words)
        ):
            print(f"  {text.level:12s} {text.text}")


def main() -> None:
    """Print the table and, with --examples, the texts of three images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--examples", action="store_true")
    arguments = parser.parse_args()
    total: Counter[str] = Counter()
    print(
        f"| source | {' | '.join(COLUMNS)} | explained of what asserts | of all |\n|---|{'---|' * (len(COLUMNS) + 2)}"
    )
    for name, folder in FOLDERS.items():
        if (arguments.data / folder).is_dir():
            counted = count(name, arguments.data / folder)
            total += counted
            print(line(name, counted))
    print(line("all", total), end="\n\n")
    sizes()
    if arguments.examples:
        examples()


def line(name: str, counted: Counter[str]) -> str:
    """A row of the table, with the share of the instances that make a concept present, and of all."""
    said = counted["explained"] + counted["bare"]
    shares = " | ".join(f"{counted['explained'] / n:.1%}" if n else "-" for n in (said, counted["instances"]))
    return f"| {name} | {' | '.join(f'{counted[column]:,}' for column in COLUMNS)} | {shares} |"


if __name__ == "__main__":
    main()
