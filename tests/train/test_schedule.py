from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mgll_train.errors import UserError
from mgll_train.schedule import learning_rate, total_steps


def test_length_in_each_unit() -> None:
    assert total_steps(batch=10, dataset=95, steps=7, epochs=None, samples=None) == 7
    assert total_steps(batch=10, dataset=95, steps=None, epochs=2, samples=None) == 19
    assert total_steps(batch=10, dataset=96, steps=None, epochs=1, samples=None) == 10  # the last batch is not lost
    assert total_steps(batch=10, dataset=95, steps=None, epochs=None, samples=11) == 2


@pytest.mark.parametrize(
    "given", [{}, {"steps": 1, "epochs": 1}, {"steps": 1, "epochs": 1, "samples": 1}, {"epochs": 0.0}, {"samples": -1}]
)
def test_length_must_be_given_once_and_positive(given: dict[str, int]) -> None:
    with pytest.raises(UserError, match="the length of the run"):
        total_steps(batch=10, dataset=95, **{"steps": None, "epochs": None, "samples": None, **given})


@given(st.integers(2, 5000), st.floats(0, 0.9), st.floats(1e-6, 1))
def test_learning_rate_rises_to_its_peak_then_falls_towards_zero(total: int, share: float, peak: float) -> None:
    warmup = int(total * share)
    rates = [learning_rate(step, total, warmup, peak) for step in range(total)]
    assert all(0 < rate <= peak * (1 + 1e-12) for rate in rates)
    assert max(rates) == pytest.approx(peak)
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[max(top, warmup) :] == sorted(rates[max(top, warmup) :], reverse=True)
    assert learning_rate(total, total, warmup, peak) == pytest.approx(0, abs=1e-12)


def test_cosine_is_half_way_at_the_middle() -> None:
    assert learning_rate(60, 100, 20, 2.0) == pytest.approx(1.0)
    assert learning_rate(40, 100, 20, 2.0) == pytest.approx(1 + math.cos(math.pi / 4))
