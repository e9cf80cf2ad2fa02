"""The labeller against labels that people gave to real reports, where ../shared/data has them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from mgll_data.reports import texts
from mgll_data.reports.labeller import read_report

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "reports.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_reports", BENCHMARK)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def openi(benchmark: ModuleType) -> dict[str, dict[str, str]]:
    place: Path = benchmark.SHARED / "noncommercial" / "openi-indiana-reports"
    if not place.is_dir():
        pytest.skip("../shared/data is not there")
    return dict(benchmark.read_openi(place))


@pytest.mark.slow
def test_micro_f1_over_the_14_nih_labels(benchmark: ModuleType, shared: Path) -> None:
    gold = shared / "NegBio-examples" / "examples" / "openi_gld_std14_dev.csv"
    assert benchmark.micro_f1(gold, shared / "noncommercial" / "openi-indiana-reports") >= 0.93


@pytest.mark.slow
def test_negation_of_annotated_clinical_sentences(benchmark: ModuleType, shared: Path) -> None:
    right, judged = benchmark.negex_accuracy(
        shared / "negex-annotated-report-sentences" / "rsAnnotations-1-120-random.txt"
    )
    assert judged > 2300 and right / judged >= 0.97


@pytest.mark.slow
def test_texts_of_real_reports_fit_into_clip(openi: dict[str, dict[str, str]]) -> None:
    tokenizer = pytest.importorskip("open_clip").get_tokenizer("ViT-B-32")
    made = {text.text for parts in openi.values() for text in texts.texts(read_report(parts), "cxr.normal")}
    assert len(made) > 2000
    longest = max(len(tokenizer.encode(text)) for text in made)
    assert longest <= 75


def test_every_real_report_is_read(openi: dict[str, dict[str, str]]) -> None:
    for name in sorted(openi)[::20]:
        found = read_report(openi[name])
        for sentence in found.sentences:
            section = getattr(found.sections, sentence.section)
            assert section[sentence.start : sentence.end].split() == sentence.text.split(), name
