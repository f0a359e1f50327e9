"""The cost model: what is measured, what is extrapolated and says so."""

import csv

import numpy as np
import pytest

from hfx import profile as module
from hfx.errors import HfxError
from hfx.profile import (
    EXTRAPOLATED,
    MEASURED,
    fits,
    noise,
    parsed,
    pictured,
    profile,
    random_codec,
    save,
    size_of,
    summary,
)
from hfx.stopwatch import Spent

SIZES = [(128, 192), (64, 96)]


def test_stages(tiny_codec, portrait):
    steps = []
    costs = profile(tiny_codec, portrait, SIZES, step=lambda: steps.append(1))
    assert len(steps) == 2
    assert [c.stage for c in costs] == ["E", "h_a", "h_s", "coder", "G"] * 2
    assert [c.height for c in costs] == [64] * 5 + [128] * 5
    assert all(c.seconds > 0 and c.source == MEASURED for c in costs)
    small, large = (next(c for c in costs if c.stage == "G" and c.height == h) for h in (64, 128))
    assert large.macs == 3 * small.macs  # 2 x 3 cells against 1 x 2
    assert large.parameters == small.parameters
    coder = next(c for c in costs if c.stage == "coder")
    assert coder.macs is None and coder.bytes is None


def test_neighbours_are_a_stage(tiny_codec, tiny_trees, portrait):
    from hfx.codec import Codec
    from hfx.neighbours.models import Models

    models = Models(None, tiny_codec.weights.fingerprint, tiny_codec.weights.prior.tables_y)
    models.loaded["xgb"] = (tiny_trees, b"1234")
    codec = Codec(tiny_codec.weights, models)
    costs = profile(codec, portrait, [(128, 128)], neighbours="xgb")
    assert [c.stage for c in costs] == ["E", "h_a", "h_s", "coder", "neighbours", "G"]
    assert costs[4].seconds > 0


def test_beyond_the_limit_seconds_grow_with_the_pixels(tiny_codec, portrait):
    costs = profile(tiny_codec, portrait, [(64, 64), (640, 640)], limit=0)
    small, large = costs[: len(costs) // 2], costs[len(costs) // 2 :]
    for one, other in zip(small, large, strict=True):
        assert one.source == MEASURED and other.source == EXTRAPOLATED
        assert other.seconds == pytest.approx(100 * one.seconds)
        assert one.macs is None or other.macs == 100 * one.macs


def test_neither_time_nor_memory_is_overdrawn(monkeypatch):
    monkeypatch.setattr(module, "available_mb", lambda: 1000.0)
    took = [Spent(None, 1.0, 30.0), Spent(None, 2.0, 10.0)]
    assert fits(took, 10, limit=60)
    assert not fits(took, 10, limit=20)
    assert not fits(took, 21, limit=600)  # 840 of 1000 MB
    monkeypatch.setattr(module, "available_mb", lambda: None)
    assert fits(took, 21, limit=600)


def test_presets_have_random_weights_and_no_coder(photo):
    costs = profile(random_codec("tiny"), photo, [(64, 64)], neighbours=None)
    assert [c.stage for c in costs] == ["E", "h_a", "h_s", "G"] and costs[0].preset == "tiny"
    with pytest.raises(HfxError, match="no preset 'huge'; use one of tiny"):
        random_codec("huge")


def test_pictures_of_any_size(photo):
    assert (pictured(photo, 50, 60) == photo[:50, :60]).all()
    large = pictured(photo, 200, 300)
    assert large.shape == (200, 300, 3) and (large[:96, :128] == photo).all()
    assert (large[96:192, :128] == photo[::-1]).all()
    assert noise().shape == (512, 512, 3) and 30 < noise().std() < 60


def test_sizes():
    assert parsed("768x512") == (512, 768)
    for wrong in ("768", "0x5", "axb", "768X512", "9999999x1"):
        with pytest.raises(HfxError, match="is no size"):
            parsed(wrong)
    height, width = size_of(100)
    assert height * width == pytest.approx(1e8, rel=1e-3)
    assert width / height == pytest.approx(1.5, rel=1e-3)


def test_csv_and_summary(tiny_codec, photo, tmp_path):
    costs = profile(tiny_codec, photo, SIZES[1:], limit=0)
    save(tmp_path / "p.csv", costs)
    with open(tmp_path / "p.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["stage"] for row in rows] == [c.stage for c in costs]
    assert int(rows[0]["macs"]) == costs[0].macs and rows[3]["macs"] == ""
    assert summary(costs).row_count == len(costs) + 1
    assert np.isclose(float(rows[0]["megapixels"]), 64 * 96 / 1e6)
