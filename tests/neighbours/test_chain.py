"""The chain of decisions: the hyperprior's own probabilities, in integers, and nothing else."""

import math
from dataclasses import replace

import numpy as np
import pytest
from fields import chain, tables
from hypothesis import given, settings
from hypothesis import strategies as st

from hfx.entropy.pmf import Tables, build_tables
from hfx.entropy.scales import scale_table
from hfx.neighbours.chain import (
    DECISIONS,
    GRID,
    REST,
    STEEPEST,
    SURE,
    WHOLE,
    Chain,
    expected_sizes,
    rescaled,
    sure_of,
    tails_of,
)


def small_tables(seed, count=12):
    """Rows of any shape and narrow support, with many frequencies of 1."""
    rng = np.random.default_rng(seed)
    half = rng.integers(0, 2 * REST + 4, count).astype(np.int32)
    frequencies = np.zeros((count, 2 * int(half.max()) + 2), np.int32)
    for row, size in zip(frequencies, 2 * half + 2, strict=True):
        row[:size] = 1 + np.floor(rng.dirichlet(np.full(size, 0.3)) * (WHOLE - size))
        row[rng.integers(size)] += WHOLE - row.sum()
    return Tables(frequencies, half)


def by_size(tables, row):
    """Mass of every |s| within the support, and of the escape, in Python's integers."""
    half = int(tables.half[row])
    f = tables.frequencies[row].tolist()
    sizes = [f[half]] + [f[half + k] + f[half - k] for k in range(1, half + 1)]
    return sizes, f[2 * half + 1]


def mass(tables, row, least):
    """Mass of |s| >= least; an escape is larger than anything."""
    sizes, escape = by_size(tables, row)
    return sum(sizes[least:]) + escape


FAMILIES = {
    "gaussian": build_tables("gaussian", scale_table()),
    "logistic": build_tables("logistic", scale_table()),
    "small": small_tables(0),
}
EVERY = pytest.mark.parametrize("tables", FAMILIES.values(), ids=FAMILIES)


@EVERY
def test_base_margins_are_the_log_odds_of_the_tables(tables):
    base = Chain.of(tables).base
    assert base.shape == (len(DECISIONS), len(tables)) and base.dtype == np.int32
    for row in range(len(tables)):
        for decision, name in enumerate(DECISIONS):
            if name == "positive":
                assert base[decision, row] == 0
                continue
            k = 0 if name == "not zero" else int(name.removeprefix("beyond "))
            yes, asked = mass(tables, row, k + 1), mass(tables, row, k)
            odds = math.log(max(1, yes) / max(1, asked - yes))
            assert abs(base[decision, row] / GRID - odds) <= 0.5 / GRID + 1e-9


def test_the_decisions_lead_to_the_rest():
    assert DECISIONS[:2] == ("not zero", "positive")
    assert DECISIONS[2:] == tuple(f"beyond {k}" for k in range(1, REST))


def test_sigmoid_is_the_sigmoid():
    sigmoid = chain().sigmoid
    assert sigmoid.shape == (STEEPEST * GRID + 1,)
    for m in (*range(0, 5000, 7), *range(5000, STEEPEST * GRID + 1, 61), STEEPEST * GRID):
        assert abs(sigmoid[m] - WHOLE / (1 + math.exp(-m / GRID))) <= 0.5 + 1e-6
    assert sigmoid[0] == WHOLE // 2 and (np.diff(sigmoid) >= 0).all()


@given(st.lists(st.integers(-(2**40), 2**40), max_size=30))
def test_yes_and_no_are_mirror_images(margins):
    m = np.array(margins, np.int64)
    ones = chain().ones(m)
    assert ones.dtype == np.int32 and ones.shape == m.shape
    np.testing.assert_array_equal(ones.astype(np.int64) + chain().ones(-m), WHOLE)
    assert ((ones > 0) & (ones < WHOLE)).all()
    order = np.argsort(m)
    assert (np.diff(ones[order]) >= 0).all()


def test_margins_end_at_the_steepest():
    end = STEEPEST * GRID
    near, at, far = chain().ones(np.array([end - 300, end, end + 10**6]))
    assert near < at == far == chain().sigmoid[-1]


@EVERY
def test_tails_are_conditional_probabilities(tables):
    tails = tails_of(tables)
    assert len(tails) == len(tables)
    for row, half in enumerate(tails.half.tolist()):
        got = tails.frequencies[row, : 2 * half + 2]
        assert (got >= 1).all() and got.sum(dtype=np.int64) == WHOLE
        asked, (sizes, _) = mass(tables, row, REST), by_size(tables, row)
        if tables.half[row] < REST:
            continue
        # slot j is the size REST + j; of those within the table at most one is left out
        assert 0 <= len(sizes) - REST - (2 * half + 1) <= 1
        want = [*sizes[REST : REST + 2 * half + 1], mass(tables, row, REST + 2 * half + 1)]
        for f, w in zip(got.tolist(), want, strict=True):
            p = w / asked
            # each share is rounded, then every slot gets 1 more, which all give
            assert abs(f / WHOLE - p) <= 1e-3 * p + (2 + len(got) * p) / WHOLE


@given(st.lists(st.integers(1, WHOLE), min_size=1, max_size=40))
def test_rescaling_keeps_proportions(masses):
    scaled = rescaled(masses)
    assert sum(scaled) == WHOLE and min(scaled) >= 1
    for f, m in zip(scaled, masses, strict=True):
        assert abs(f - 1 - m * (WHOLE - len(masses)) / sum(masses)) <= 1


@EVERY
def test_expected_sizes(tables):
    got = expected_sizes(tables)
    for row in range(len(tables)):
        sizes, _ = by_size(tables, row)
        assert got[row] == 64 * sum(k * f for k, f in enumerate(sizes)) // WHOLE


def test_sure_is_where_zero_is_nearly_certain():
    sure = sure_of(tables())
    assert sure.tolist() == [by_size(tables(), row)[0][0] > SURE for row in range(64)]
    assert sure[0] and not sure[-1] and (np.diff(sure.astype(int)) <= 0).all()
    np.testing.assert_array_equal(chain().sure, sure)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_any_tables_have_a_chain(seed):
    some = small_tables(seed)
    one = Chain.of(some)
    again = Chain.from_arrays(one.to_arrays(), some)
    for name in ("base", "sigmoid", "sure"):
        np.testing.assert_array_equal(getattr(again, name), getattr(one, name))
    np.testing.assert_array_equal(again.tails.frequencies, one.tails.frequencies)
    np.testing.assert_array_equal(again.tails.half, one.tails.half)


def test_wrong_arrays_are_refused():
    good = chain().to_arrays()
    base, sigmoid = good["base"], good["sigmoid"]
    dented, flat, certain = sigmoid.copy(), sigmoid.copy(), sigmoid.copy()
    dented[500] = dented[499] - 1
    flat[0] += 1
    certain[-1] = WHOLE
    for change in (
        {"base": base[:-1]}, {"base": base[:, 1:]}, {"base": base.ravel()},
        {"sigmoid": sigmoid[:-1]}, {"sigmoid": sigmoid[None]},
        {"sigmoid": dented}, {"sigmoid": flat}, {"sigmoid": certain},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="chain"):
            Chain.from_arrays(good | change, tables())
    with pytest.raises(KeyError):
        Chain.from_arrays({"base": base}, tables())
    with pytest.raises(ValueError, match="chain"):
        replace(chain(), tails=tails_of(small_tables(1)))
