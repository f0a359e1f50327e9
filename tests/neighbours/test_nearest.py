"""Nearest neighbours: whole numbers only, no ties, and nothing about the search changes a bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hfx.errors import HfxError, WeightsError
from hfx.neighbours import coding, samples, store
from hfx.neighbours.chain import DECISIONS, GRID, STEEPEST, WHOLE, Chain
from hfx.neighbours.fit_nearest import Votes, fit_nearest
from hfx.neighbours.nearest import NEVER, VOTE, Nearest, Points, logit, mixed
from hfx.neighbours.plan import Plan
from hfx.neighbours.window import names
from tests.synthetic import pictures

PLAN = Plan()


@pytest.fixture(scope="module")
def tables(tiny_codec):
    return tiny_codec.weights.prior.tables_y


@pytest.fixture(scope="module")
def latents(tiny_codec):
    return samples.latents_of(tiny_codec, pictures(4))


@pytest.fixture(scope="module")
def windows(latents, tables):
    """To learn from, and held out."""
    parts, chain = (latents[:3], latents[3:]), Chain.of(tables)
    return [samples.windows_of(part, tables, PLAN, chain, 20_000) for part in parts]


@pytest.fixture(scope="module")
def fitted(windows, tables):
    return fit_nearest(tables, PLAN, *windows, Votes(points=1000))


@pytest.fixture
def model(fitted):
    return again(fitted[0])


def again(model, **changes):
    """The same model, having forgotten everything it was asked, with its points changed."""
    return replace(model, points=tuple(replace(points, **changes) for points in model.points))


def questions(model, windows, decision):
    """The rows and base margins that a decision is asked with."""
    asked, _ = windows.asked(decision)
    return windows.rows[asked], model.chain.base[decision, windows.index[asked]].astype(np.int64)


def margins_of(model, windows):
    """The margins of all decisions, one after the other."""
    each = range(len(DECISIONS))
    return np.concatenate([model.margins(d, *questions(model, windows, d)) for d in each])


# --- what it is for


def test_what_is_encoded_is_decoded(model, latents, tables):
    one = latents[3]
    data = coding.encode(model, tables, one.level, one.mu, one.index, one.y)
    y = coding.decode(again(model), tables, one.level, one.mu, one.index, *data)
    assert np.array_equal(y, one.y)


def test_held_out_symbols_get_cheaper(fitted, windows):
    model, report = fitted
    assert 0.02 < report.saved < 0.5
    assert report.windows == len(windows[0])
    assert report.rounds == [len(points) for points in model.points]
    for decision, after in enumerate(report.after):
        margins = model.margins(decision, *questions(model, windows[1], decision))
        bits = samples.cost(margins / GRID, windows[1].asked(decision)[1])
        assert bits == pytest.approx(after)


def test_every_training_window_votes(fitted, windows):
    for decision, points in enumerate(fitted[0].points):
        answers = windows[0].asked(decision)[1]
        assert points.votes[:, :2].sum(0).tolist() == [len(answers), VOTE * answers.sum()]


def test_without_windows_it_is_silent(windows, tables):
    nothing = samples.Windows(*(part[:0] for part in vars(windows[0]).values()))
    model, report = fit_nearest(tables, PLAN, nothing, windows[1])
    assert model.silent and report.saved == 0
    rows, base = questions(model, windows[1], 0)
    assert np.array_equal(model.margins(0, rows, base), base)


def test_few_windows_do_little_harm(windows, tables):
    few = samples.Windows(*(part[::200] for part in vars(windows[0]).values()))
    model, report = fit_nearest(tables, PLAN, few, windows[1])
    assert not model.silent and report.saved > -0.001


def test_a_window_of_one_cell_is_enough(latents, tables):
    plan = Plan(window=1)
    drawn = samples.windows_of(latents, tables, plan, Chain.of(tables), 5000)
    model, report = fit_nearest(tables, plan, drawn, drawn)
    assert {names(plan)[i] for i in model.columns} == {"table", "channel", "ratio last here"}
    assert report.saved > 0


def test_features_can_be_withheld(windows, tables):
    model, _ = fit_nearest(tables, PLAN, *windows, without=["channel", "table"])
    known = {names(PLAN)[i] for i in model.columns}
    assert "ratio 7x7" in known and not known & {"channel", "table"}
    changed = windows[1].rows.copy()
    changed[:, [names(PLAN).index("channel"), names(PLAN).index("table")]] = 7
    other = replace(windows[1], rows=changed)
    assert np.array_equal(margins_of(model, other), margins_of(again(model), windows[1]))


def test_wishes_out_of_range_are_refused():
    for wish in ({"k": 0}, {"k": 257}, {"points": -1}, {"kappas": ()}, {"kappas": (0,)}):
        with pytest.raises(HfxError):
            Votes(**wish)


# --- the same on every machine


def test_margins_are_whole(model, windows):
    margins = margins_of(model, windows[1])
    assert margins.dtype == np.int64
    base = np.concatenate([questions(model, windows[1], d)[1] for d in range(len(DECISIONS))])
    assert np.abs(margins - base).max() > GRID // 10


@pytest.mark.parametrize("algorithm", ["brute", "ball_tree"])
def test_the_search_decides_nothing(model, windows, algorithm):
    other = again(model, algorithm=algorithm)
    assert np.array_equal(margins_of(model, windows[1]), margins_of(other, windows[1]))


def test_threads_decide_nothing(model, windows):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = margins_of(model, windows[1])
        torch.set_num_threads(3)
        assert np.array_equal(one, margins_of(again(model), windows[1]))
    finally:
        torch.set_num_threads(before)


def test_the_order_of_points_decides_nothing(model, windows):
    shuffled = []
    for points in model.points:
        order = np.random.default_rng(1).permutation(len(points))
        shuffled.append(replace(points, at=points.at[order], votes=points.votes[order]))
    other = replace(model, points=tuple(shuffled))
    assert np.array_equal(margins_of(model, windows[1]), margins_of(other, windows[1]))


def test_batches_and_memory_decide_nothing(model, windows):
    rows, base = questions(model, windows[1], 0)
    whole = model.margins(0, rows, base)
    assert np.array_equal(model.margins(0, rows, base), whole)
    other = again(model)
    parts = [other.margins(0, rows[i::7], base[i::7]) for i in range(7)]
    assert all(np.array_equal(part, whole[i::7]) for i, part in enumerate(parts))


@st.composite
def grids(draw):
    """Points on a small grid, where squared distances coincide all the time."""
    bins = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    edges = np.full((len(bins), 4), NEVER, np.int32)
    for row, count in zip(edges, bins, strict=True):
        row[: count - 1] = np.arange(1, count)
    scale = np.array([draw(st.integers(1, 3)) for _ in bins], np.int32)
    cells = np.stack(np.meshgrid(*map(np.arange, bins)), -1).reshape(-1, len(bins))
    cells = cells[draw(st.permutations(range(len(cells))))].astype(np.uint8)
    at = cells[: draw(st.integers(1, len(cells)))]
    return Points(edges, scale, at, np.ones((len(at), 3), np.int32)), cells


@settings(deadline=None, max_examples=40)
@given(grids(), st.integers(1, 20))
def test_no_two_points_are_equally_far(grid, k):
    points, cells = grid
    there = points.place(points.at, points.tie_breakers)
    here = points.place(cells, np.zeros(len(cells), np.int64))
    squared = ((here[:, None] - there) ** 2).sum(-1)  # (cells, N)
    assert all(len(set(row)) == len(points) for row in squared)
    steps = (cells[:, None].astype(int) - points.at) * points.scale
    plain = (steps**2).sum(-1)
    order = np.argsort(squared, axis=1)
    assert (np.diff(np.take_along_axis(plain, order, 1)) >= 0).all()
    found = np.sort(points.nearest(cells, k), axis=1)
    assert np.array_equal(found, np.sort(order[:, :k], axis=1))


# --- how votes are mixed


def test_logit_is_the_sigmoid_backwards(model):
    margins = np.arange(-7 * GRID, 7 * GRID + 1)  # farther out, several margins share a frequency
    assert np.array_equal(logit(model.chain.ones(margins), model.chain.sigmoid), margins)
    ends = logit(np.array([0, WHOLE]), model.chain.sigmoid)
    assert ends.tolist() == [-STEEPEST * GRID, STEEPEST * GRID]


def test_votes_as_expected_change_nothing(model):
    base = np.arange(-12 * GRID, 12 * GRID, 97)
    votes = np.tile([40, 9 * VOTE, 9 * VOTE], (len(base), 1))
    assert np.array_equal(mixed(model.chain, base, votes, 2), base)
    more = votes + [0, VOTE, 0]
    assert (mixed(model.chain, base, more, 2) > base).all()
    half = mixed(model.chain, np.zeros(1, np.int64), np.array([[30, 25 * VOTE, 15 * VOTE]]), 10)
    assert half.tolist() == [int(np.log(30 / 10) * GRID)]  # (25 + 10 / 2) of 40 against 20 of 40


def test_the_hyperprior_outvotes_everyone(model, windows):
    sure = replace(again(model), kappas=(NEVER,) * len(DECISIONS))
    rows, base = questions(model, windows[1], 0)
    near = np.abs(base) < 4 * GRID
    moved, steps = (np.abs(m.margins(0, rows, base) - base)[near] for m in (model, sure))
    assert moved.max() > GRID // 10 and steps.max() <= 1


# --- files


def test_a_file_gives_the_same_model_back(model, windows, tables, tmp_path):
    path = tmp_path / "tiny.knn.safetensors"
    store.save(model, path, b"mark", {})
    loaded, mark = store.load(path, "knn", b"mark", tables)
    assert isinstance(loaded, Nearest) and len(mark) == 4
    assert (loaded.k, loaded.kappas, loaded.columns) == (model.k, model.kappas, model.columns)
    assert np.array_equal(margins_of(loaded, windows[1]), margins_of(model, windows[1]))
    store.save(replace(model, k=model.k + 1), path, b"mark", {})
    assert store.load(path, "knn", b"mark", tables)[1] != mark
    with pytest.raises(WeightsError, match="xgb"):
        store.load(path, "xgb", b"mark", tables)


def rebuilt(model, arrays):
    return Nearest.from_arrays(arrays, model.plan, model.chain, model.columns)


def test_what_is_missing_is_noticed(model):
    arrays = model.to_arrays()
    for name in arrays:
        with pytest.raises(KeyError):
            rebuilt(model, {k: v for k, v in arrays.items() if k != name})


DAMAGE = {
    "rule": [lambda a: a[:-1], lambda a: a * 0, lambda a: a.astype(np.int64)],
    "points.0.edges": [lambda a: a[:-1], lambda a: a[:, ::-1], lambda a: a[0]],
    "points.0.scale": [lambda a: a[1:], lambda a: -a, lambda a: a + (1 << 20), lambda a: a[0]],
    "points.0.at": [
        lambda a: a[1:],
        lambda a: a[:, 1:],
        lambda a: a + np.uint8(100),
        lambda a: a * 0,
        lambda a: a.astype(np.int32),
    ],
    "points.0.votes": [
        lambda a: a[:, :2],
        lambda a: -a,
        lambda a: a * 0,
        lambda a: a * np.array([1, 0, 0], np.int32) + (1 << 30),
        lambda a: a.astype(np.float32),
    ],
}


@pytest.mark.parametrize(
    "name, number", [(name, i) for name, some in DAMAGE.items() for i in range(len(some))]
)
def test_what_is_damaged_is_refused(model, name, number):
    arrays = model.to_arrays()
    rebuilt(model, arrays)
    with pytest.raises(ValueError):
        rebuilt(model, arrays | {name: DAMAGE[name][number](arrays[name])})


@pytest.mark.parametrize("columns", [None, (0,), (10_000,) * 7])
def test_other_features_are_refused(model, columns):
    with pytest.raises(ValueError, match="features"):
        replace(model, columns=columns)
