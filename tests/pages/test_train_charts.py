"""The charts of the page "Train lab": what is drawn is what was logged."""

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the dashboard's extra is not installed")

from labs import columns, measures  # noqa: E402

from dashboard import train_charts  # noqa: E402
from dashboard.train_charts import Curve, running, thinned  # noqa: E402
from hfx.config import Losses  # noqa: E402
from hfx.lab.settings import Settings  # noqa: E402
from hfx.rate import RateController  # noqa: E402


def curve(name="1: a plain run", steps=60, log=None, **settings):
    how = Settings(**settings)
    return Curve(name, how, log or columns(steps, how.stage), measures([0, 10, steps]))


def lines(figure):
    """What has a name or a hover, by name."""
    return {one.name: one for one in figure.data if one.x is not None and one.x[0] is not None}


def test_the_running_rate_is_the_controller_s():
    bpp = np.random.default_rng(0).random(50)
    rate = RateController((2.0,), (1.0,), (0.5,), Losses().rate_memory)
    seen = []
    for value in bpp:
        rate.observe(0, value)
        seen.append(rate.rates[0])
    assert np.allclose(running(bpp, Losses().rate_memory), seen)
    assert len(running(np.empty(0))) == 0


def test_thinning_keeps_the_last_mark():
    for length in (0, 1, 299, 300, 301, 5000):
        steps = np.arange(length)
        x, y = thinned(steps, steps * 2, most=300)
        assert len(x) <= 300 and np.array_equal(y, x * 2)
        assert length == 0 or x[-1] == length - 1


def test_the_loss_and_its_distortion():
    one = curve(k_M=0.01, k_P=2.0)
    drawn = lines(train_charts.loss([one]))
    log = one.log
    assert np.allclose(drawn["loss, running mean"].y, running(log["loss"]))
    d = 0.01 * log["mse"] + 2.0 * log["lpips"]
    assert np.allclose(drawn["d = k_M MSE + k_P LPIPS"].y, running(d))
    assert np.array_equal(train_charts.loss([one]).data[0].y, log["loss"])  # and every step


def test_the_rate_the_target_and_zeta():
    one = curve(r_t=0.3)
    figure = train_charts.rate([one])
    drawn = lines(figure)
    assert np.allclose(drawn["rate, running mean"].y, running(one.log["bpp_low"], 0.9))
    assert [shape.y0 for shape in figure.layout.shapes] == [0.3]
    assert np.array_equal(drawn["ζ′"].y, one.log["zeta_low"])
    assert drawn["ζ′"].yaxis != drawn["rate, running mean"].yaxis
    assert drawn["ζ′"].line.shape == "hv"


def test_scores_and_norms_of_both_networks():
    one = curve(stage=2)
    drawn = lines(train_charts.scores([one]))
    assert np.allclose(drawn["photographs"].y, running(one.log["d_real"]))
    assert np.allclose(drawn["reconstructions"].y, running(one.log["d_fake"]))
    drawn = lines(train_charts.norms([one]))
    assert np.allclose(drawn["G"].y, running(one.log["grad_norm"]))
    assert np.allclose(drawn["D"].y, running(one.log["grad_norm_d"]))
    figure = train_charts.norms([curve()])
    assert "D" not in lines(figure) and figure.layout.yaxis.type == "log"
    low, high = figure.layout.yaxis.range
    assert low < 0 and high > 1  # 1 and 10 are marked, and the line of the clipping is in sight
    assert figure.layout.shapes[0].y0 == curve().settings.training.clip


def test_steps_of_one_phase_leave_gaps_to_the_other():
    log = columns(6, stage=2)
    log["grad_norm"][[1, 3]] = np.nan
    one = curve(stage=2, log=log)
    drawn = lines(train_charts.norms([one]))
    assert list(drawn["G"].x) == [1, 3, 5, 6] and len(drawn["D"].x) == 6


def test_the_photograph_s_quality():
    one = curve()
    (line,) = train_charts.quality([one]).data
    assert np.array_equal(line.y, one.measures["psnr"])
    assert np.array_equal(line.customdata, one.measures["bpp"])


@pytest.mark.parametrize(
    "draw", [train_charts.loss, train_charts.rate, train_charts.quality, train_charts.norms]
)
def test_several_runs_have_a_colour_each(draw):
    curves = [curve(f"{i}: run", r_t=0.1 * (i + 1), steps=60 + i) for i in range(3)]
    figure = draw(curves)
    named = {
        color: one.name
        for one in figure.data
        if (color := one.line.color) in train_charts.COLORS and one.name not in ("ζ′", "r_t")
    }
    assert len(named) == 3
    assert figure.layout.xaxis.range[1] >= max(one.settings.steps for one in curves)


@pytest.mark.parametrize(
    "draw",
    [
        train_charts.loss, train_charts.rate, train_charts.scores, train_charts.norms,
        train_charts.quality,
    ],
)  # fmt: skip
def test_nothing_yet_is_drawn_as_nothing(draw):
    empty = Curve("1: new", Settings(), {}, {})
    for one in draw([empty]).data:
        assert one.y is None or all(value is None for value in one.y)
    draw([empty, curve(stage=2)])


def test_a_zoomed_chart_stays_zoomed_while_its_run_goes_on():
    young, old = curve(steps=10), curve(steps=60)
    assert (
        train_charts.loss([young]).layout.uirevision == train_charts.loss([old]).layout.uirevision
    )
    other = train_charts.loss([curve("2: another")])
    assert other.layout.uirevision != train_charts.loss([old]).layout.uirevision


def test_charts_are_told_in_words():
    one = curve()
    told = train_charts.in_words("Loss", one, "loss")
    assert told.startswith("Loss, run 1: a plain run: from 1.48 to ")
    assert told.endswith("after 60 steps.")
    assert train_charts.in_words("D", one, "d_fake") == "D: nothing yet."
    told = train_charts.in_words("PSNR", one, "psnr")
    assert told == "PSNR, run 1: a plain run: from 25.00 to 25.60 after 60 steps."
