"""Bjontegaard deltas: those of the `bjontegaard` package, and what it leaves out."""

import numpy as np
import pytest

from hfx.bdrate import curve, delta
from hfx.errors import HfxError

# The example of the package's README: libx265 at two presets.
ANCHOR = [(9487.76, 40.037), (4593.60, 38.615), (2486.44, 36.845), (1358.24, 34.851)]
TEST = [(9787.80, 40.121), (4469.00, 38.651), (2451.52, 36.970), (1356.24, 34.987)]


def test_the_packages_example():
    """Its numbers for PCHIP, written down so that the test needs no package."""
    found = delta(ANCHOR, TEST)
    assert found.rate == pytest.approx(-4.41748535, abs=1e-7)
    assert found.measure == pytest.approx(0.11969279, abs=1e-7)
    assert found.overlap == pytest.approx(0.95825, abs=1e-4)


def test_as_the_package_has_it():
    bd = pytest.importorskip("bjontegaard", reason="pip install bjontegaard")
    draw = np.random.default_rng(0)
    for _ in range(20):
        curves = []
        for _ in range(2):
            rates = np.cumprod(draw.uniform(1.3, 2.5, 6)) * 0.05
            curves.append((rates, 25 + np.cumsum(draw.uniform(0.3, 2.5, 6))))
        (r_a, q_a), (r_t, q_t) = curves
        found = delta(list(zip(r_a, q_a, strict=True)), list(zip(r_t, q_t, strict=True)))
        how = {"method": "pchip", "min_overlap": 0}
        assert found.rate == pytest.approx(bd.bd_rate(r_a, q_a, r_t, q_t, **how), rel=1e-9)
        assert found.measure == pytest.approx(bd.bd_psnr(r_a, q_a, r_t, q_t, **how), rel=1e-9)


def test_half_the_rate_is_minus_50_percent():
    halved = [(rate / 2, value) for rate, value in ANCHOR]
    found = delta(ANCHOR, halved)
    assert found.rate == pytest.approx(-50) and found.measure > 0 and found.overlap == 1
    assert delta(ANCHOR, ANCHOR) == delta(ANCHOR[::-1], ANCHOR)
    assert delta(ANCHOR, ANCHOR).rate == pytest.approx(0)


def test_measures_that_fall():
    """LPIPS halves where the rate doubles: half the rate is still -50 %."""
    anchor = [(rate, 0.1 / rate) for rate in (0.1, 0.2, 0.4, 0.8)]
    halved = [(rate / 2, value) for rate, value in anchor]
    found = delta(anchor, halved, higher=False)
    assert found.rate == pytest.approx(-50) and found.measure < 0


def test_nothing_in_common_is_none():
    better = [(rate, value + 20) for rate, value in ANCHOR]
    found = delta(ANCHOR, better)
    assert found.rate is None and found.overlap == 0 and found.measure == pytest.approx(20)
    dearer = [(rate * 100, value) for rate, value in ANCHOR]
    assert delta(ANCHOR, dearer).measure is None


def test_points_that_are_worse_and_dearer_do_not_count_for_the_rate():
    dip = [*ANCHOR, (5000.0, 38.0)]
    assert delta(ANCHOR, dip).rate == pytest.approx(0, abs=1e-9)
    assert delta(ANCHOR, dip).measure < 0


@pytest.mark.parametrize(
    "points", [[], [(1, 2)], [(1, 2), (1, 3)], [(0, 1), (1, 2)], [(1, float("inf")), (2, 3)]]
)
def test_what_is_no_curve(points):
    with pytest.raises(HfxError, match="a curve needs"):
        delta(ANCHOR, points)


def test_of_equal_rates_the_best():
    rates, values = curve([(10, 1), (1, 0), (10, 3)])
    assert rates.tolist() == [0, 1] and values.tolist() == [0, 3]
