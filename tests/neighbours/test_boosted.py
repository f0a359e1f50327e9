"""Trees that add up exactly: whole leaves, any number of threads, a row alone or among many."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from fields import PLAN, chain, drawn, fit, fitted, held

from hfx.neighbours import boosted
from hfx.neighbours.boosted import Boosted
from hfx.neighbours.chain import DECISIONS, GRID
from hfx.neighbours.fit import Knobs
from hfx.neighbours.window import names

EVERY = pytest.mark.parametrize("decision", range(len(DECISIONS)), ids=DECISIONS)


@pytest.fixture(scope="module")
def model():
    return fitted()[0]


def bases(count):
    return np.random.default_rng(0).integers(-3000, 3000, count)


def leaf_of(tree, row):
    """Walk down one tree of xgboost's JSON dump."""
    while "leaf" not in tree:
        value = row[int(tree["split"].removeprefix("f"))]
        if np.isnan(value):
            way = tree["missing"]
        else:
            way = tree["yes"] if value < np.float32(tree["split_condition"]) else tree["no"]
        tree = next(child for child in tree["children"] if child["nodeid"] == way)
    return tree["leaf"]


@EVERY
def test_leaves_are_whole_units(model, decision):
    dump = json.loads(model.boosters[decision].save_raw("json"))
    trees = dump["learner"]["gradient_booster"]["model"]["trees"]
    leaves = [
        np.float32(value)  # as xgboost reads its own decimals
        for tree in trees
        for child, value in zip(tree["left_children"], tree["split_conditions"], strict=True)
        if child == -1
    ]
    assert len(trees) == fitted()[1].rounds[decision] > 0 and any(leaves)
    assert all(leaf * GRID == np.rint(leaf * GRID) for leaf in leaves)


@EVERY
def test_margins_are_the_base_and_the_leaves(model, decision):
    rows = held().rows[::40]
    dumps = [json.loads(tree) for tree in model.boosters[decision].get_dump(dump_format="json")]
    base = bases(len(rows))
    said = np.array([sum(round(leaf_of(tree, row) * GRID) for tree in dumps) for row in rows])
    got = model.margins(decision, rows, base)
    assert got.dtype == np.int64 and len(set((got - base).tolist())) > 3
    np.testing.assert_array_equal(got, base + said)


@EVERY
def test_margins_are_the_same_however_rows_come(model, decision, monkeypatch):
    rows = drawn().rows
    base, threads = bases(len(rows)), torch.get_num_threads()
    want = model.margins(decision, rows, base)
    monkeypatch.setattr(boosted, "SMALL", 1)
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            np.testing.assert_array_equal(model.margins(decision, rows, base), want)
    finally:
        torch.set_num_threads(threads)
    for i in range(0, len(rows), 200):
        one = slice(i, i + 1)
        assert model.margins(decision, rows[one], base[one]) == want[one]
    order = np.random.default_rng(1).permutation(len(rows))
    np.testing.assert_array_equal(model.margins(decision, rows[order], base[order]), want[order])


def test_no_rows_no_margins(model):
    nothing = model.margins(0, held().rows[:0], np.zeros(0, np.int64))
    assert nothing.shape == (0,)


def test_zero_trees_say_nothing():
    silent, report = fit(Knobs(rounds=0))
    assert silent.silent and not fitted()[0].silent
    assert report.rounds == [0] * len(DECISIONS) and report.saved == 0
    base = bases(50)
    for decision in range(len(DECISIONS)):
        np.testing.assert_array_equal(silent.margins(decision, held().rows[:50], base), base)
    again = Boosted.from_arrays(silent.to_arrays(), PLAN, chain(), None)
    assert again.silent


def test_arrays_round_trip(model):
    arrays = model.to_arrays()
    assert all(a.dtype == np.uint8 for a in arrays.values())
    again = Boosted.from_arrays(arrays, PLAN, chain(), None)
    assert again.trees == model.trees and again.kind == "xgb"
    rows, base = held().rows, bases(len(held()))
    for decision in range(len(DECISIONS)):
        np.testing.assert_array_equal(
            again.margins(decision, rows, base), model.margins(decision, rows, base)
        )


def test_withheld_features_are_not_looked_at():
    without = [name for name in names(PLAN) if not name.startswith("cell")]
    model, _ = fit(Knobs(rounds=2, depth=3), without=without)
    seen = np.array([name not in without for name in names(PLAN)])
    np.testing.assert_array_equal(np.flatnonzero(seen), model.columns)
    rows = held().rows[:300]
    other, base = np.where(seen, rows, np.float32(12345)), bases(300)
    moved = False
    for decision in range(len(DECISIONS)):
        got = model.margins(decision, rows, base)
        np.testing.assert_array_equal(got, model.margins(decision, other, base))
        moved |= bool((got != base).any())
    assert moved


@pytest.mark.parametrize("garbage", [b"", b"{", b"garbage", b"\xff" * 99, b'{"learner": 3}'])
def test_garbage_is_refused(model, garbage):
    arrays = model.to_arrays() | {"trees.1": np.frombuffer(garbage, np.uint8)}
    with pytest.raises(ValueError, match="trees"):
        Boosted.from_arrays(arrays, PLAN, chain(), None)


def test_what_does_not_fit_is_refused(model):
    arrays = model.to_arrays()
    del arrays["trees.2"]
    with pytest.raises(KeyError):
        Boosted.from_arrays(arrays, PLAN, chain(), None)
    with pytest.raises(ValueError, match="decisions"):
        _ = replace(model, trees=model.trees[:-1]).boosters
    with pytest.raises(ValueError, match="features"):
        Boosted.from_arrays(model.to_arrays(), PLAN, chain(), (0, 1, 2))
    with pytest.raises(ValueError, match="features"):
        Boosted.from_arrays(model.to_arrays(), replace(PLAN, window=5), chain(), None)
