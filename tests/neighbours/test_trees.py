"""The trees opened: what is shown is what codes, unit by unit, and Eq. 2 adds up."""

import math
from dataclasses import replace

import numpy as np
import pytest
import xgboost as xgb

from hfx.neighbours.boosted import Boosted
from hfx.neighbours.chain import DECISIONS, GRID, Chain
from hfx.neighbours.fit import Knobs, columns_of, fit_boosted
from hfx.neighbours.plan import Plan
from hfx.neighbours.samples import Windows
from hfx.neighbours.trees import features_of, importance, objective, path, trees_of
from hfx.neighbours.window import names

KNOBS = Knobs(rounds=5, depth=3, eta=0.5, gamma=0.5, lambda_=2.0, patience=9)
PLAN = Plan()


def made_up(tables, count, seed):
    """Symbols as large as their 3x3 neighbours say, some cells unknown; no codec needed."""
    rng = np.random.default_rng(seed)
    called = names(PLAN)
    rows = rng.integers(0, 900, (count, len(called))).astype(np.float32)
    index = rng.integers(10, 30, count).astype(np.uint8)
    rows[:, called.index("table")] = index
    raw = [i for i, name in enumerate(called) if name.startswith("cell")]
    rows[:, raw] = rng.integers(-2, 3, (count, len(raw)))
    rows[:, raw] = np.where(rng.random((count, len(raw))) < 0.3, np.nan, rows[:, raw])
    rows[:, called.index("cell +0 +0")] = np.nan
    size = rng.poisson(rows[:, called.index("ratio 3x3")] / 400)
    left = np.nan_to_num(rows[:, called.index("cell +0 -1")])
    sign = np.where(rng.random(count) < 1 / (1 + np.exp(-2 * left)), 1, -1)
    return Windows(rows, (size * sign).astype(np.int32), index)


@pytest.fixture(scope="module")
def tables(tiny_codec):
    return tiny_codec.weights.prior.tables_y


@pytest.fixture(scope="module")
def seen(tables):
    return made_up(tables, 3000, 0)


@pytest.fixture(scope="module")
def fitted(tables, seen):
    model, report = fit_boosted(tables, PLAN, seen, made_up(tables, 1000, 1), KNOBS)
    assert min(report.rounds) > 0
    return model


@pytest.fixture(scope="module")
def blinkered(tables, seen):
    """Fitted without some features, so that columns of rows and of boosters differ."""
    without = ("table", "mean", "ratio cross", "cell -3 -3")
    model, _ = fit_boosted(tables, PLAN, seen, made_up(tables, 1000, 1), KNOBS, without)
    return model


@pytest.mark.parametrize("which", ["fitted", "blinkered"])
@pytest.mark.parametrize("decision", range(len(DECISIONS)))
def test_a_path_ends_at_the_margin_that_codes(which, decision, seen, request):
    model = request.getfixturevalue(which)
    rows, index = seen.rows[:40], seen.index[:40]
    base = model.chain.base[decision, index].astype(np.int64)
    margins = model.margins(decision, rows, base)
    assert (margins != base).any()
    missing = 0
    for row, m0, m in zip(rows, base, margins, strict=True):
        steps = path(model, decision, row, m0)
        assert len(steps) == model.boosters[decision].num_boosted_rounds()
        assert m0 + sum(step.leaf for step in steps) == steps[-1].margin == m
        for step in steps:
            assert len(step.turns) <= KNOBS.depth
            for turn in step.turns:
                assert turn.feature in features_of(model)
                place = names(PLAN).index(turn.feature)
                assert np.array_equal(turn.value, row[place], equal_nan=True)
                missing += turn.missing
                if not turn.missing:
                    assert turn.went == ("left" if turn.value < turn.threshold else "right")
    assert missing or DECISIONS[decision] != "positive"


def test_trees_hold_what_eq_4_counts(fitted):
    for tree in trees_of(fitted, 0):
        splits = tree.left >= 0
        assert len(tree.scores) == splits.sum() + 1  # T, of a binary tree
        assert (tree.gain[splits] > 0).all() and not tree.gain[~splits].any()
        assert not tree.score[splits].any()


def test_bits_and_penalty_make_the_objective(fitted, tables, seen):
    table = objective(fitted, seen, KNOBS)
    for decision, name in enumerate(DECISIONS):
        rounds = [one for one in table if one.decision == name]
        assert [one.round for one in rounds] == list(
            range(fitted.boosters[decision].num_boosted_rounds() + 1)
        )
        asked, answers = seen.asked(decision)
        base = fitted.chain.base[decision, seen.index[asked]].astype(np.int64)
        after = fitted.margins(decision, seen.rows[asked], base)
        for one, margin in ((rounds[0], base), (rounds[-1], after)):
            p = 1 / (1 + np.exp(-margin / GRID))
            bits = -np.log2(np.where(answers, p, 1 - p)).sum()
            assert one.bits == pytest.approx(bits)
        assert rounds[0].penalty == 0 == rounds[0].leaves
        trees = trees_of(fitted, decision)
        omega = sum(
            KNOBS.gamma / 2 * len(t.scores) + KNOBS.lambda_ / 2 * ((t.scores / GRID) ** 2).sum()
            for t in trees
        )
        assert rounds[-1].penalty == pytest.approx(omega)
        for one in rounds:
            assert one.objective == pytest.approx(one.bits * math.log(2) + one.penalty)
        # on the windows they were fitted on, trees lower the whole of Eq. 2
        assert rounds[-1].objective < rounds[0].objective
    dearer = objective(fitted, seen, replace(KNOBS, gamma=9.0))
    assert dearer[-1].penalty > table[-1].penalty and dearer[-1].bits == table[-1].bits


def test_the_gamma_of_eq_4_is_half_of_xgboosts():
    """Eq. 2 to second order: a split falls away once gamma is above what it gains."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, 1000)
    y = rng.random(1000) < np.where(x, 0.6, 0.4)
    g, h = 0.5 - y, np.full(1000, 0.25)

    def lowered(members):  # L + lambda w^2 / 2 at its least, lambda = 1
        return g[members].sum() ** 2 / (h[members].sum() + 1) / 2

    gain = lowered(x == 0) + lowered(x == 1) - lowered(x >= 0)
    data = xgb.DMatrix(x[:, None].astype(np.float32), y)
    knobs = Knobs(depth=1).for_xgboost()
    for gamma, leaves in ((0.99 * gain, 2), (1.01 * gain, 1)):
        booster = xgb.train(knobs | {"gamma": 2 * gamma}, data, 1)
        assert len(booster.get_dump()[0].splitlines()) == 2 * leaves - 1


def test_objective_sees_only_a_models_columns(blinkered, seen):
    last = [one for one in objective(blinkered, seen, KNOBS) if one.decision == DECISIONS[0]][-1]
    base = blinkered.chain.base[0, seen.index].astype(np.int64)
    p = 1 / (1 + np.exp(-blinkered.margins(0, seen.rows, base) / GRID))
    bits = -np.log2(np.where(seen.symbols != 0, p, 1 - p)).sum()
    assert last.bits == pytest.approx(bits)


@pytest.mark.parametrize("which", ["fitted", "blinkered"])
def test_importance_is_xgboosts_total_gain(which, request):
    model = request.getfixturevalue(which)
    found = importance(model)
    expected = dict.fromkeys(names(PLAN), 0.0)
    called = features_of(model)
    for booster in model.boosters:
        for column, gain in booster.get_score(importance_type="total_gain").items():
            expected[called[int(column[1:])]] += gain
    assert found.gain == pytest.approx(expected)
    assert list(found.gain.values()) == sorted(found.gain.values(), reverse=True)
    assert "ratio 3x3" in list(found.gain)[:3]  # of which the symbols were made
    one = importance(model, DECISIONS.index("positive"))
    assert next(iter(one.gain)) == "cell +0 -1"


def test_importance_lies_on_the_window(fitted):
    found = importance(fitted)
    assert found.cells.shape == found.window.shape == (7, 7)
    assert found.cells[3, 2] == found.gain["cell +0 -1"] == found.cells.max()
    assert found.cells[3, 3] == 0 == found.window[3, 3]  # the symbol itself is never known
    sums = [
        "ratio cross", "ratio 3x3", "ratio 5x5", "ratio 7x7",
        "sum cross", "sum 3x3", "size 3x3", "tables cross",
    ]  # fmt: skip
    shared = found.window - found.cells
    assert shared.sum() == pytest.approx(sum(found.gain[name] for name in sums))
    assert shared[0, 0] == pytest.approx(found.gain["ratio 7x7"] / 48)
    ring = found.gain["ratio 3x3"] + found.gain["sum 3x3"] + found.gain["size 3x3"]
    assert shared[2, 2] - shared[1, 1] == pytest.approx(ring / 8)


def test_a_model_without_trees_says_nothing(tables):
    model, _ = fit_boosted(
        tables, PLAN, made_up(tables, 100, 0), made_up(tables, 100, 1), Knobs(rounds=0)
    )
    assert path(model, 0, made_up(tables, 1, 2).rows[0], 7) == []
    assert not importance(model).window.any()
    assert [one.round for one in objective(model, made_up(tables, 50, 3))] == [0] * len(DECISIONS)


def test_columns_are_named(blinkered):
    assert len(features_of(blinkered)) == len(names(PLAN)) - 4
    assert "ratio cross" not in features_of(blinkered)
    assert isinstance(blinkered, Boosted) and columns_of(PLAN, ()) is None
    assert isinstance(blinkered.chain, Chain)
