"""The measures of every table: perfect pairs measure perfect, blanks have a reason."""

from dataclasses import replace

import numpy as np
import pytest

from hfx import panel
from hfx.errors import WeightsError
from hfx.panel import PANEL, available, measure, mse
from hfx.results import QUALITY


def test_the_columns_are_those_of_the_table():
    assert tuple(PANEL) == QUALITY


def test_mse_is_the_mean_of_squares(photo):
    x_hat = np.clip(photo.astype(int) + 7, 0, 255).astype(np.uint8)
    assert mse(photo, x_hat) == pytest.approx(np.square(photo.astype(float) - x_hat).mean())
    assert mse(photo, photo) == 0


def test_equal_pictures_measure_perfect(portrait):
    names = ("mse", "psnr", "ssim", "ms_ssim")
    values, reasons = measure(portrait[:180, :180], portrait[:180, :180], names)
    assert not reasons and values["mse"] == 0 and values["psnr"] == float("inf")
    assert values["ssim"] == pytest.approx(1) and values["ms_ssim"] == pytest.approx(1)


def test_directions(portrait):
    """Noise makes every measure worse, in the stated direction."""
    x, draw = portrait[:180, :180], np.random.default_rng(0)
    some, much = (
        np.clip(x + draw.normal(0, s, x.shape), 0, 255).astype(np.uint8) for s in (5, 30)
    )
    names = ("mse", "psnr", "ssim", "ms_ssim")
    better, worse = measure(x, some, names)[0], measure(x, much, names)[0]
    for name in names:
        assert (better[name] > worse[name]) == PANEL[name].higher
    assert not any(PANEL[name].higher for name in ("lpips", "lpips_squeeze", "dists"))


def test_what_is_available(monkeypatch):
    def unavailable(x, x_hat):
        raise WeightsError("no network here")

    for name in ("lpips", "lpips_squeeze"):
        monkeypatch.setitem(panel.PANEL, name, replace(PANEL[name], of=unavailable))
    monkeypatch.setitem(panel.PANEL, "dists", replace(PANEL["dists"], of=lambda x, x_hat: 0.5))
    assert available() == {"mse", "psnr", "ssim", "ms_ssim", "dists"}


def test_blanks_have_a_reason(photo, monkeypatch):
    asked = []

    def unavailable(x, x_hat):
        asked.append(1)
        raise WeightsError("no network here")

    monkeypatch.setitem(panel.PANEL, "dists", replace(PANEL["dists"], of=unavailable))
    values, reasons = measure(photo, photo, ("ms_ssim", "dists", "ssim"))
    assert values["ms_ssim"] is None and values["dists"] is None
    again = measure(photo, photo, ("dists",))
    assert len(asked) == 1 and again == ({"dists": None}, {"dists": "no network here"})
    assert reasons == {"ms_ssim": "not defined for 128 x 96 pixels", "dists": "no network here"}
