"""Fitting: structure is found, noise is left alone, and every knob of Eq. 2-4 does its work."""

import json
from functools import cache

import numpy as np
import pytest
import xgboost as xgb
from fields import PLAN, Deaf, drawn, field, fit, fitted, held, structured, tables

from hfx.entropy import coder
from hfx.errors import HfxError
from hfx.neighbours import coding
from hfx.neighbours.chain import DECISIONS, GRID
from hfx.neighbours.fit import columns_of, steps_of
from hfx.neighbours.grow import Knobs
from hfx.neighbours.samples import Windows
from hfx.neighbours.window import names


def sizes(model, one):
    """Bytes of y with a model and without."""
    plain = coder.encode(one.y.ravel(), one.index.ravel(), tables())
    return sum(map(len, coding.encode(model, tables(), *one.side, one.y))), sum(map(len, plain))


def trees(model):
    """The leaves of every tree, in nats, over all decisions."""
    found = []
    for booster in model.boosters:
        dump = json.loads(booster.save_raw("json"))
        for tree in dump["learner"]["gradient_booster"]["model"]["trees"]:
            pairs = zip(tree["left_children"], tree["split_conditions"], strict=True)
            found.append([value for child, value in pairs if child == -1])
    return found


def leaves(model):
    return sum(map(len, trees(model)))


def largest(model):
    return max(abs(leaf) for tree in trees(model) for leaf in tree)


@cache
def quick(**knobs):
    """Fit a few trees that nothing stops early."""
    return fit(Knobs(**({"rounds": 3, "depth": 3} | knobs)), watched=drawn())[0]


# --- what is learnt


def test_structure_saves_bits():
    model, report = fitted()
    assert report.saved > 0.15 and report.windows == len(drawn())
    assert all(a <= b for a, b in zip(report.after, report.before, strict=True))
    for seed in (50, 51):
        with_, without = sizes(model, structured(seed))
        assert with_ < 0.9 * without


class Decided(coding.Meter):
    """Counts the bits of decisions alone."""

    def symbols(self, at, of, index, tables):
        return of(self.y[at])


def test_the_report_is_what_the_coder_pays():
    """On a held-out picture, all of whose windows were drawn."""
    one, knobs = structured(9), Knobs(rounds=2, depth=3, eta=0.5)
    model, report = fit(knobs, watched=drawn(structured, (9,), 10**9))
    assert report.saved > 0.05
    for coded, said in ((Deaf(PLAN), report.before), (model, report.after)):
        port = Decided(one.y)
        coding.walk(port, coded, tables(), *one.side)
        assert port.bits.sum() == pytest.approx(sum(said), rel=0.002)


def test_noise_saves_nothing_and_costs_nothing():
    model, report = fit(Knobs(rounds=20, depth=4, eta=0.3), drawn(field), held(field))
    assert 0 <= report.saved < 0.01
    assert report.rounds != [20] * len(DECISIONS)
    with_, without = zip(*(sizes(model, field(seed)) for seed in range(50, 54)), strict=True)
    assert sum(with_) < 1.01 * sum(without)


def test_trees_that_would_cost_bits_are_dropped():
    """Fitted on structure, watched on noise: no number of trees is better than none."""
    model, report = fit(Knobs(rounds=4, depth=3), watched=held(field))
    assert report.rounds.count(0) >= len(DECISIONS) - 2
    for kept, booster, before, after in zip(
        report.rounds, model.boosters, report.before, report.after, strict=True
    ):
        assert booster.num_boosted_rounds() == kept and (
            after < before if kept else after == before
        )


# --- what it takes


@pytest.mark.parametrize("patience", [1, 3])
def test_patience(patience):
    """Where the held-out windows are noise, trees stop coming soon after they stop helping."""
    calls = []
    _, report = fit(
        Knobs(rounds=40, depth=2, patience=patience),
        watched=held(field), step=lambda: calls.append(1),
    )  # fmt: skip
    grown = [max(1, kept) + patience for kept in report.rounds]
    assert len(calls) <= sum(grown) < 20 * len(DECISIONS)


@pytest.mark.parametrize("rounds", [0, 1, 4])
def test_rounds(rounds):
    calls = []
    knobs = Knobs(rounds=rounds, depth=2)
    model, report = fit(knobs, watched=drawn(), step=lambda: calls.append(1))
    assert report.rounds == [rounds] * len(DECISIONS)
    assert len(calls) == steps_of(knobs) == len(trees(model)) == rounds * len(DECISIONS)


def test_gamma_is_the_price_of_a_leaf():
    none, some, much = (leaves(quick(gamma=gamma)) for gamma in (0.0, 10.0, 1e6))
    assert none > some > much == 3 * len(DECISIONS)  # a root alone


def test_lambda_is_the_price_of_large_scores():
    free, dear = (largest(quick(lambda_=one, max_delta_step=9.0)) for one in (0.0, 300.0))
    assert free > 2 * dear


def test_depth_bounds_the_leaves():
    for depth in (1, 2, 4):
        most = max(map(len, trees(quick(depth=depth, gamma=0.0))))
        assert 2 ** (depth - 1) < most <= 2**depth


def test_eta_and_the_largest_step_bound_the_scores():
    for eta, step in ((0.1, 0.5), (0.4, 0.25)):
        found = largest(quick(eta=eta, max_delta_step=step, lambda_=0.0))
        assert found == pytest.approx(eta * step, abs=0.51 / GRID)


@pytest.mark.filterwarnings("ignore:.*Empty dataset")
def test_without_held_out_windows_nothing_stops():
    nothing = Windows(held().rows[:0], held().symbols[:0], held().index[:0])
    model, report = fit(Knobs(rounds=2, depth=2), watched=nothing)
    assert report.rounds == [2] * len(DECISIONS) and report.saved == 0
    assert len(trees(model)) == 2 * len(DECISIONS)


def test_decisions_nobody_is_asked_are_fine():
    """Pictures without a single large symbol."""
    some = drawn()
    small = Windows(some.rows, some.symbols.clip(-1, 1), some.index)
    model, report = fit(Knobs(rounds=2, depth=2), small)
    assert len(model.boosters) == len(DECISIONS) and np.isfinite(report.saved)


def test_fitting_twice_gives_the_same_trees():
    again = quick.__wrapped__(eta=0.4)
    assert again.trees == quick(eta=0.4).trees != quick().trees


def test_how_many_threads_makes_no_difference():
    with xgb.config_context(nthread=4):
        four = quick.__wrapped__(eta=0.4)
    assert four.trees == quick(eta=0.4).trees


def test_columns():
    every = names(PLAN)
    assert columns_of(PLAN, ()) is None
    left = columns_of(PLAN, ("mean", "row"))
    assert [every[i] for i in left] == [n for n in every if n not in ("mean", "row")]


def test_no_cluster_answers():
    pytest.importorskip("distributed")
    with pytest.raises(HfxError, match="no Dask scheduler"):
        fit(Knobs(), cluster="nonsense://nowhere")
