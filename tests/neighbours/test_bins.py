"""Bins: trees grown on them ask the same questions of values, and xgboost has none to choose."""

import json

import numpy as np
import pytest
import xgboost as xgb

from hfx.neighbours.bins import BINS, Bins


def rows(count=4000, seed=0):
    """A few values, many values, one value, none at all; some missing."""
    rng = np.random.default_rng(seed)
    found = np.stack(
        [
            rng.integers(-3, 4, count),
            np.rint(rng.gamma(2, 500, count)),
            np.full(count, 7),
            np.full(count, np.nan),
            rng.integers(0, 4096, count),
        ],
        axis=1,
    ).astype(np.float32)
    found[rng.random(found.shape) < 0.1] = np.nan
    return found


def test_few_values_have_a_bin_each():
    some = np.array([[5], [1], [np.nan], [5], [9]], np.float32)
    np.testing.assert_array_equal(Bins.of(some)(some).ravel(), [1, 0, np.nan, 1, 2])
    assert Bins.of(some).cuts[0].tolist() == [5, 9, 19]


def test_many_values_share_bins_evenly():
    some = rows()
    binned = Bins.of(some)(some)
    for f in (1, 4):
        counts = np.unique(binned[:, f][~np.isnan(binned[:, f])], return_counts=True)[1]
        assert 128 < len(counts) <= BINS and counts.max() < 4000 / 128
    assert np.array_equal(np.isnan(binned), np.isnan(some))


def test_values_never_seen_have_bins_too():
    bins = Bins.of(rows())
    new = np.array([[-100, -1, 3, 1, 9999], [100, 9999, 8, np.nan, -1]], np.float32)
    first, second = bins(new)
    assert first[0] == first[1] == first[2] == second[4] == 0
    assert first[4] == len(bins.cuts[4]) - 1 and second[2] == 0


@pytest.mark.parametrize("depth", [1, 6])
def test_trees_on_values_decide_as_trees_on_bins(depth):
    some, other = rows(), rows(seed=1)
    bins = Bins.of(some)
    answers = np.nan_to_num(some[:, 1]) + 300 * np.nan_to_num(some[:, 0]) > 1000
    data = xgb.QuantileDMatrix(bins(some), answers ^ (np.isnan(some[:, 4])))
    how = {"objective": "binary:logistic", "max_depth": depth, "base_score": 0.5}
    grown = xgb.train(how, data, 12)
    again = bins.undo(grown)
    for seen in (some, other):
        np.testing.assert_array_equal(
            again.inplace_predict(seen, predict_type="margin"),
            grown.inplace_predict(bins(seen), predict_type="margin"),
        )
    asked = set()
    for tree in json.loads(again.save_raw("json"))["learner"]["gradient_booster"]["model"][
        "trees"
    ]:
        inner = [i for i, child in enumerate(tree["left_children"]) if child != -1]
        asked |= {(tree["split_indices"][i], tree["split_conditions"][i]) for i in inner}
    assert asked and all(cut in bins.cuts[f] for f, cut in asked)
