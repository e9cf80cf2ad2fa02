"""Texts of reports: short enough for CLIP, scrubbed, in step with the labels; and reports that add labels."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

import pytest

from mgll_data import phantoms
from mgll_data.hierarchy import Closed
from mgll_data.phi.scrub import scrub
from mgll_data.pipeline import build
from mgll_data.progress import Progress
from mgll_data.recipe import load
from mgll_data.reports import texts
from mgll_data.reports.added import unknown_before, with_report
from mgll_data.reports.labeller import default, read_report
from mgll_data.reports.texts import ReportText
from mgll_data.schema import State
from mgll_data.texts.targets import Subject
from mgll_data.wording import agreeing

H = default().hierarchy


def made(**sections: str) -> tuple[ReportText, ...]:
    return texts.texts(read_report(sections), H.normal)


def test_sentences_explain_what_they_assert_plain_ones_first() -> None:
    found = made(
        findings="The effusion is unchanged since the prior film. Moderate effusion without pneumothorax. "
        "Possible edema. No nodule. There is scoliosis and a large left effusion.",
        impression="Effusion.",
    )
    explaining = [(t.text, set(t.concepts)) for t in found if t.level == "explanatory"]
    assert explaining == [
        ("There is scoliosis and a large left effusion.", {"cxr.scoliosis", "cxr.effusion"}),
        ("The effusion is unchanged since the prior film.", {"cxr.effusion"}),
        ("Moderate effusion without pneumothorax.", {"cxr.effusion"}),
    ]
    assert [t.text for t in found if t.level == "report"] == ["Effusion."]


def test_long_impressions_come_in_pieces_and_gaps_are_left_out() -> None:
    sentence = "There is a moderate left pleural effusion with adjacent compressive atelectasis of the lower lobe."
    found = made(impression=" ".join([sentence] * 6) + " XXXX effusion. No pneumonia ___.")
    pieces = [t for t in found if t.level == "report"]
    assert len(pieces) > 1
    assert all(texts.clip_tokens(t.text) <= texts.LONGEST for t in found)
    assert not any("XXXX" in t.text or "_" in t.text for t in found)


def test_a_sentence_that_names_a_person_is_left_out() -> None:
    found = made(
        findings="Effusion discussed with Dr. Wendell Quix at 3:45 pm. Small effusion.",
        impression="Findings of pneumonia were called to Jane Doe on 03/04/2019. Pneumonia.",
    )
    assert {t.text for t in found} == {"Small effusion.", "Pneumonia."}


def test_texts_that_the_labels_deny_or_doubt_are_dropped() -> None:
    labels = {"present": ["cxr.effusion"], "absent": ["cxr.fracture"], "uncertain": ["cxr.edema"]}
    offered = [
        ReportText("explanatory", "Effusion and scoliosis.", ("cxr.effusion", "cxr.scoliosis")),
        ReportText("explanatory", "Scoliosis.", ("cxr.scoliosis",)),
        ReportText("explanatory", "Effusion and a rib fracture.", ("cxr.effusion", "cxr.fracture.rib")),
        ReportText("report", "Edema.", ("cxr.edema",)),
        ReportText("report", "Scoliosis.", ("cxr.scoliosis",)),
    ]
    assert [t.text for t in agreeing(offered, labels, H.ontology)] == ["Effusion and scoliosis.", "Scoliosis."]


def test_reports_add_only_what_the_labels_leave_unknown() -> None:
    own = H.close({"cxr.effusion"}, {"cxr.fracture"}, {"cxr.edema"})
    report = {
        "cxr.effusion": State.ABSENT,
        "cxr.fracture.rib": State.PRESENT,
        "cxr.edema": State.PRESENT,
        "cxr.scoliosis": State.PRESENT,
        "cxr.nodule": State.ABSENT,
        "cxr.normal": State.PRESENT,
        "cxr.pleural": State.ABSENT,
    }
    added = unknown_before(own, report, H)
    assert added == {"cxr.scoliosis": State.PRESENT, "cxr.nodule": State.ABSENT}
    closed, again = with_report(own, json.dumps(report), H)
    assert again == added
    assert {"cxr.effusion", "cxr.scoliosis", "cxr.bone"} <= closed.present
    assert "cxr.edema" in closed.uncertain and "cxr.nodule" in H.ontology.down(closed.absent)
    assert not closed.conflicts


def test_a_finding_of_a_report_does_not_overturn_normal() -> None:
    own = Closed(frozenset({H.normal}), frozenset(), frozenset())
    assert unknown_before(own, {"cxr.nodule": State.PRESENT, "cxr.mass": State.ABSENT}, H) == {"cxr.mass": State.ABSENT}


def samples(folder: Path) -> list[dict[str, object]]:
    found = []
    for path in sorted(folder.rglob("*.tar")):
        with tarfile.open(path) as tar:
            members = [m for m in tar if m.name.endswith(".json")]
            found += [json.loads(file.read()) for m in members if (file := tar.extractfile(m))]
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    phantoms.draw("openi", 24, folder / "openi", 3)
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        f"""name: reports
version: 0.1.0
sources: [{{use: openi, root: {folder / "openi"}}}]
labels: {{hierarchy: cxr, reports: add}}
images: {{side: 64, mode: gray8}}
texts: {{levels: [diagnostic, explanatory, report], per_level: 6}}
split: {{ratios: {{train: 0.8, val: 0.1, test: 0.1}}}}
"""
    )
    assert build(load(recipe), folder / "out", progress=Progress(quiet=True)).id
    return folder / "out" / "reports"


def test_a_build_carries_sentences_of_its_reports(built: Path) -> None:
    everything = samples(built)
    assert everything
    texts_of = [(sample, sample["texts"]) for sample in everything]
    reported = [(s, t) for s, levels in texts_of for t in levels.get("report", [])]  # type: ignore[attr-defined]
    assert reported
    for sample, text in reported:
        assert text["concepts"] and scrub(text["text"]).removed == 0
        assert not re.search(r"XXXX|___", text["text"])
        states = sample["concepts"]
        assert set(text["concepts"]) <= set(states["present"]), text  # type: ignore[index]


def test_a_report_that_adds_is_traced(built: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(built.parent / ".cache" / "reports" / "labels.parquet")
    rows = [row for row in table.to_pylist() if row["relation"] == "report"]
    assert rows and {row["raw"] for row in rows} == {"report"}
    assert {row["state"] for row in rows} >= {"absent"}
    reports = pq.read_table(built.parent / ".cache" / "reports" / "reports.parquet")
    assert reports.num_rows and not re.search("XXXX-year-old", json.dumps(reports.to_pylist()))


def test_explanations_alternate_with_the_reports_own_words() -> None:
    from mgll_data.recipe import VOCAB
    from mgll_data.texts import templates
    from mgll_data.texts.targets import Writer

    writer = Writer(H, templates.load(VOCAB / "cxr", H), "cxr", ("explanatory", "report"), 4)
    said = tuple(ReportText("explanatory", f"Effusion number {n}.", ("cxr.effusion",)) for n in range(3))
    piece = ReportText("report", "Effusion.", ("cxr.effusion",))
    present = frozenset(H.ontology.up(["cxr.effusion"]))
    found = writer.texts(Subject("a-1", present, None, None, None, report=(*said, piece)))
    explaining = [t for t in found if t.level == "explanatory"]
    assert (
        len(explaining) == 4 and explaining[1].text == said[0].text and explaining[0].text not in {s.text for s in said}
    )
    assert explaining[1].about == ("cxr.effusion",)
    assert [t.text for t in found if t.level == "report"] == ["Effusion."]
