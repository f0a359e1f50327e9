"""BD-rates of a benchmark: from its means, against any codec of it."""

import csv

import pytest

from hfx.bdrate import delta
from hfx.deltas import against, curves, save, summary
from hfx.errors import HfxError

RATES = {"low": 0.14, "medium": 0.30, "high": 0.45}


def line(codec, tier, bpp, psnr, lpips=None, setting=""):
    return {"codec": codec, "tier": tier, "setting": setting, "bpp": bpp, "psnr": psnr,
            "lpips": lpips}  # fmt: skip


@pytest.fixture
def lines():
    """B needs twice A's rate; C has no LPIPS and one tier only."""
    made = []
    for tier, bpp in RATES.items():
        quality = 30 + 10 * bpp
        made.append(line("A", tier, bpp, quality, 0.1 / bpp))
        made.append(line("B", tier, 2 * bpp, quality, 0.1 / bpp))
    return [*made, line("C", "low", 0.14, 25.0)]


def test_twice_the_rate_by_every_measure(lines):
    found = {(one.codec, one.measure): one for one in against(lines, "A")}
    assert set(found) == {("B", "psnr"), ("B", "lpips")}
    for one in found.values():
        assert one.rate == pytest.approx(100) and one.overlap == 1 and one.points == 3
    assert found["B", "psnr"].difference < 0 < found["B", "lpips"].difference
    back = {(one.codec, one.measure): one for one in against(lines, "B")}
    assert back["A", "psnr"].rate == pytest.approx(-50) and back["A", "psnr"].anchor == "B"


def test_it_is_the_delta_of_the_curves(lines):
    points = curves(lines, "lpips")
    (one,) = (o for o in against(lines, "A") if o.measure == "lpips")
    assert one.rate == delta(points["A"], points["B"], higher=False).rate


def test_sweeps_are_the_curve_where_there_are_any(lines):
    swept = [line("A", "", bpp, 20.0 + bpp, setting=f"quality {bpp}") for bpp in (0.2, 0.1)]
    points = curves([*lines, *swept], "psnr")
    assert points["A"] == [(0.1, 20.1), (0.2, 20.2)] and len(points["B"]) == 3


def test_equal_pictures_have_no_point(lines):
    assert "A" not in curves([line("A", "low", 0.1, float("inf"))], "psnr")


def test_an_anchor_that_is_not_there(lines):
    with pytest.raises(HfxError, match="no codec 'D' to compare with; there are A, B, C"):
        against(lines, "D")


def test_csv_and_summary(lines, tmp_path):
    found = against(lines, "A")
    save(tmp_path / "bd.csv", found)
    with open(tmp_path / "bd.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["codec"] for row in rows] == ["B", "B"] and float(rows[0]["rate"]) > 99
    assert summary(found).row_count == 1 and summary([]).row_count == 0
