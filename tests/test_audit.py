"""The audit: the coefficients found in the printed Table 3, and what honest columns look like."""

import csv

import numpy as np
import pytest

from hfx import table3
from hfx.audit import audit, save, summary
from hfx.errors import HfxError


@pytest.fixture(scope="module")
def printed():
    rows = table3.published()
    if not rows:
        pytest.skip("data/results/published_table3.csv was not installed")
    return rows


@pytest.fixture
def found(printed):
    return {one.check: one for one in audit("printed", printed)}


def test_kid_and_lpips_are_fid_in_disguise(found):
    kid, lpips = found["kid against fid"], found["lpips against fid"]
    assert kid.rows == lpips.rows == 21
    assert kid.slope == pytest.approx(1 / 15, abs=2e-6)
    assert kid.intercept == pytest.approx(0.29995, abs=1e-4)
    assert lpips.slope == pytest.approx(0.055898, abs=2e-6)
    assert lpips.intercept == pytest.approx(0.21742, abs=1e-4)
    for one in (kid, lpips):
        assert one.largest < 3.5e-4 and one.correlation > 0.99999999


def test_psnr_and_mse_disagree(found, printed):
    assert found["psnr against mse"].largest > 3  # dB
    row = next(r for r in printed if (r["tier"], r["image"]) == ("high", "1"))
    assert 10 * np.log10(255**2 / row["mse"]) == pytest.approx(34.12, abs=0.01)
    assert row["psnr"] == 30.71


def test_columns_that_were_measured_are_not_lines():
    draw = np.random.default_rng(0)
    rows = []
    for _ in range(21):
        mse = draw.uniform(20, 80)
        fid, kid, lpips = draw.uniform(30, 150), draw.uniform(0, 0.1), draw.uniform(0.05, 0.4)
        psnr = 10 * np.log10(255**2 / mse)
        rows.append({"fid": fid, "kid": kid, "lpips": lpips, "psnr": psnr, "mse": mse})
    kid, lpips, psnr = audit("honest", rows)
    assert abs(kid.correlation) < 0.9 and abs(lpips.correlation) < 0.9
    assert psnr.largest < 1e-9 and psnr.correlation == pytest.approx(1)


def test_two_rows_prove_nothing(printed):
    with pytest.raises(HfxError, match="three rows"):
        audit("printed", printed[:2])


def test_csv_and_summary(found, tmp_path):
    save(tmp_path / "audit.csv", list(found.values()))
    with open(tmp_path / "audit.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["check"] for row in rows] == list(found)
    assert float(rows[0]["slope"]) == pytest.approx(1 / 15, abs=1e-5) and rows[2]["slope"] == ""
    assert summary(list(found.values())).row_count == 3
