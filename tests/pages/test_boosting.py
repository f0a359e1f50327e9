"""The page "XGBoost lab": what it shows is what was fitted, and what the files then hold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hfx
from hfx import weights
from hfx.neighbours import coding, samples, trees
from hfx.neighbours.chain import DECISIONS, GRID
from hfx.neighbours.fit import Knobs

pytest.importorskip("streamlit", reason="the dashboard's extra is not installed")
pytest.importorskip("skimage", reason="the photographs come with scikit-image")

from streamlit.testing.v1 import AppTest  # noqa: E402

from dashboard import boosting, boosting_charts  # noqa: E402
from dashboard.boosting import HYPERPRIOR, KNN, SHIPPED, YOURS, Settings  # noqa: E402

PAGE = Path(__file__).parents[2] / "dashboard" / "views" / "boosting.py"


# --- what is computed


@pytest.fixture(scope="module")
def bench(tiny_codec):
    return boosting.gather(tiny_codec)


@pytest.fixture(scope="module")
def settings():
    return Settings(windows=4000, side=5, knobs=Knobs(rounds=8, depth=3, eta=0.5))


@pytest.fixture(scope="module")
def fit(tiny_codec, bench, settings):
    return boosting.fit(tiny_codec, bench, settings)


def test_photographs_are_apart():
    files = [*boosting.TRAIN.values(), *boosting.STOP.values(), *boosting.HELD.values()]
    assert len(set(files)) == len(files)


def test_the_bench_tells_what_the_hyperprior_takes(tiny_codec, bench):
    assert len(bench.train) == len(boosting.TRAIN) and list(bench.held) == list(boosting.HELD)
    for name, one in bench.held.items():
        bits = tiny_codec.weights.prior.tables_y.bits(one.y, one.index).sum()
        assert bench.bytes[name][HYPERPRIOR] == pytest.approx(bits / 8, abs=4)
        assert SHIPPED not in bench.bytes[name]  # these weights come without trees
    assert bench.nbytes > 0


def test_rounds_begin_at_the_hyperprior_and_lower_the_objective(fit, settings):
    first, *others = fit.rounds
    assert (first.number, first.penalty, first.train, first.held) == (0, 0, 0, 0)
    assert len(others) == max(fit.report.rounds) <= settings.knobs.rounds
    assert others[-1].objective < first.objective
    assert all(b.penalty >= a.penalty for a, b in zip(fit.rounds, others, strict=False))
    for one in fit.rounds:
        assert one.objective == one.loss + one.penalty
        assert one.loss == pytest.approx(first.loss * (1 - one.train))


def test_the_last_round_is_the_model(tiny_codec, bench, fit, settings):
    """The curve ends where the fitted trees are, on windows they never saw."""
    tables = tiny_codec.weights.prior.tables_y
    held = list(bench.held.values())
    judge = samples.windows_of(held, tables, fit.model.plan, fit.model.chain, boosting.JUDGED)
    before, after = (boosting.bits_of(fit.model, judge, alone) for alone in (True, False))
    assert fit.rounds[-1].held == pytest.approx(1 - after / before, abs=1e-9)
    assert fit.model.plan.window == settings.side


def test_bytes_are_those_of_the_coder(tiny_codec, bench, fit):
    tables = tiny_codec.weights.prior.tables_y
    for name, one in bench.held.items():
        coded = coding.encode(fit.model, tables, *one.side, one.y)
        assert fit.bytes[name][YOURS] == sum(map(len, coded))
        assert set(fit.bytes[name]) == {HYPERPRIOR, KNN, YOURS}
    totals = {k: sum(row[k] for row in fit.bytes.values()) for k in (HYPERPRIOR, KNN, YOURS)}
    assert fit.saved(YOURS) == pytest.approx(1 - totals[YOURS] / totals[HYPERPRIOR])
    assert fit.saved(HYPERPRIOR) == 0
    assert fit.saved(YOURS) > 0.02  # untrained weights leave much to neighbours


def test_work_reports_no_more_steps_than_it_says(tiny_codec, bench):
    settings = Settings(windows=480, knobs=Knobs(rounds=3, depth=2))
    steps = []
    boosting.fit(tiny_codec, bench, settings, lambda: steps.append(1))
    assert 0 < len(steps) <= settings.steps


def test_the_price_of_a_leaf_makes_trees_small(tiny_codec, bench, settings):
    dear = replace(settings, knobs=replace(settings.knobs, gamma=200.0, rounds=3))
    cheap = replace(dear, knobs=replace(dear.knobs, gamma=0.0))
    leaves = [
        sum(
            len(tree.scores)
            for decision in range(len(DECISIONS))
            for tree in trees.trees_of(boosting.fit(tiny_codec, bench, one).model, decision)
        )
        for one in (dear, cheap)
    ]
    assert leaves[0] < leaves[1]


# --- what is drawn


def test_curves_are_the_rounds(fit):
    loss, penalty, total = boosting_charts.objective(fit.rounds).data
    assert np.allclose(np.add(loss.y, penalty.y), total.y)
    learned, held, knn = boosting_charts.saved(fit.rounds, fit.knn).data
    assert learned.y[-1] == fit.rounds[-1].train and held.y[-1] == fit.rounds[-1].held
    assert set(knn.y) == {fit.knn}


def test_importance_is_laid_on_the_window(fit):
    heat = boosting_charts.window(fit.importance).data[0]
    assert heat.z.shape == (5, 5) and np.isnan(heat.z[2, 2])
    assert np.nanmax(heat.z) == fit.importance.window.max()
    (bars,) = boosting_charts.features(fit.importance).data
    assert bars.x[-1] == max(fit.importance.gain.values())
    assert list(bars.x) == sorted(bars.x)


def test_a_tree_is_drawn_whole(fit):
    decision = int(np.argmax(fit.report.rounds))
    one = trees.trees_of(fit.model, decision)[0]
    lines, splits, leaves = boosting_charts.tree(one, trees.features_of(fit.model)).data
    assert len(splits.x) == (one.left >= 0).sum() and len(leaves.x) == len(one.scores)
    assert len(lines.x) == 4 * 2 * len(splits.x)
    assert len(set(leaves.y)) == len(leaves.y)  # no leaf hides another
    drawn = sorted(float(text) for text in leaves.text)
    assert np.allclose(drawn, sorted(one.scores / GRID), atol=6e-4)


def test_questions_are_worded():
    assert boosting_charts.question("ratio 3x3", 384) == "ratio 3x3 < 1.50"
    assert boosting_charts.question("cell +0 -1", -2) == "cell +0 -1 < -2"


# --- the page


@pytest.fixture
def app():
    try:
        weights.find()
    except hfx.WeightsError as error:
        pytest.skip(f"no weights here: {error}")
    app = AppTest.from_file(PAGE, default_timeout=240)
    app.query_params.update({"windows": "480", "rounds": "4", "depth": "2"})
    return app


def fine(app):
    assert not app.exception and not app.error
    return app


def cards(app):
    return {metric.label: metric.value for metric in app.metric}


def test_it_fits_what_a_link_says(app):
    fine(app.run())
    assert app.slider(key="rounds").value == 4 and app.slider(key="depth").value == 2
    assert app.select_slider(key="windows").value == 480
    shown = cards(app)
    assert shown[f"Bytes saved by {YOURS}"].endswith("%")
    assert any("grown on 480 windows" in caption.value for caption in app.caption)
    assert float(shown[f"Bytes saved by {SHIPPED}"].rstrip("%")) > 5


def test_the_button_fits_anew(app):
    before = cards(fine(app.run()))
    app.select_slider(key="windows").set_value(10_000)
    app.button[0].click()
    after = cards(fine(app.run()))
    yours, shipped = (f"Bytes saved by {kind}" for kind in (YOURS, SHIPPED))
    assert float(after[yours].rstrip("%")) > float(before[yours].rstrip("%"))
    assert after[shipped] == before[shipped]


def test_every_decision_shows_its_trees(app):
    fine(app.run())
    for name in app.selectbox(key="decision").options:
        app.selectbox(key="decision").set_value(name)
        fine(app.run())
        app.number_input(key="tree").set_value(app.number_input(key="tree").max)
        fine(app.run())
