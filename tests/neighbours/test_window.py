"""Features: equal to a slow, obvious reference, whole numbers, and blind to what is unknown."""

import numpy as np
import pytest
import torch
from fields import anything, chain, tables
from hypothesis import given, settings
from hypothesis import strategies as st

from hfx.neighbours.chain import expected_sizes
from hfx.neighbours.plan import PATTERNS, Plan
from hfx.neighbours.window import Context, cells, names, total

SIZES = [1, 3, 5, 7]
LARGEST = 4096  # |s| counts as no more
CROSS = [(-1, 0), (1, 0), (0, -1), (0, 1)]


def square(reach):
    return [(y, x) for y in range(-reach, reach + 1) for x in range(-reach, reach + 1)]


def ratio(size, mass):
    return min(256 * (64 * size + 8) // (mass + 8), 1 << 20)


class Slow:
    """One symbol at a time, in Python's integers: what is a feature, by its name?"""

    def __init__(self, one, plan, expected):
        self.one, self.plan, self.shape = one, plan, one.y.shape
        self.expected = [int(e) for e in expected]

    def inside(self, y, x):
        return 0 <= y < self.shape[1] and 0 <= x < self.shape[2]

    def size(self, c, y, x):
        return min(abs(int(self.one.y[c, y, x])), LARGEST)

    def mass(self, c, y, x):
        return self.expected[self.one.index[c, y, x]]

    def earlier(self, what, c, y, x, fading):
        """A sum over the channels of earlier slices; halved with every slice if it is fading."""
        total = 0
        for part in self.plan.slices(self.shape[0]):
            if c < part.stop:
                return total
            total = total // 2 if fading else total
            total += sum(what(other, y, x) for other in range(part.start, part.stop))

    def row(self, known, c, y, x):
        one, found = self.one, {}
        index, mu = one.index, int(one.mu[c, y, x])
        found |= {"table": index[c, y, x], "mean": mu, "quality": one.level}
        found |= {"channel": c, "row": y, "column": x}

        def beside(offsets):
            places = [(c, y + dy, x + dx) for dy, dx in offsets]
            return [p for p in places if self.inside(*p[1:])]

        def told(offsets):
            return [p for p in beside(offsets) if known[p]]

        def clipped(p):
            return max(-LARGEST, min(LARGEST, int(one.y[p])))

        for called, offsets in [
            ("cross", CROSS),
            *((f"{2 * r + 1}x{2 * r + 1}", square(r)) for r in range(1, 8)),
        ]:
            near = told(offsets)
            size, mass = sum(self.size(*p) for p in near), sum(self.mass(*p) for p in near)
            found[f"ratio {called}"] = ratio(size, mass)
            found[f"sum {called}"] = sum(clipped(p) for p in near)
            found[f"size {called}"] = size
        found["tables cross"] = sum(int(index[p]) for p in beside(CROSS))

        for called, fading in (("earlier", False), ("last", True)):
            for where, offsets in (("here", [(0, 0)]), ("3x3", square(1))):
                size, mass = (
                    sum(self.earlier(what, *p, fading) for p in beside(offsets))
                    for what in (self.size, self.mass)
                )
                found[f"ratio {called} {where}"] = ratio(size, mass)
                found[f"size {called} {where}"] = size

        part = next(part for part in self.plan.slices(self.shape[0]) if c < part.stop)
        for where, offsets in (("here", [(0, 0)]), ("3x3", square(1))):
            near = [
                (other, *p[1:])
                for p in beside(offsets)
                for other in range(part.start, part.stop)
                if known[other, *p[1:]]
            ]
            size, mass = sum(self.size(*p) for p in near), sum(self.mass(*p) for p in near)
            found[f"ratio slice {where}"] = ratio(size, mass)

        for dy, dx in cells(self.plan):
            place = (c, y + dy, x + dx)
            told_here = self.inside(*place[1:]) and known[place]
            found[f"cell {dy:+d} {dx:+d}"] = clipped(place) if told_here else np.nan
        return [found[name] for name in names(self.plan)]


def walked(one, plan, junk=None):
    """Yield (slice, places, rows, what is known) in coding order.

    With `junk`, symbols hold that until they are known, as they do in a decoder.
    """
    known = chain().sure[one.index].copy()
    y = one.y if junk is None else np.where(known, one.y, junk).astype(np.int32)
    context = Context(one.level, one.mu, one.index, expected_sizes(tables()), plan)
    for part in context.slices(y, known):
        for phase in part.phases():
            before = known.copy()
            yield part, phase, part.rows(phase), before
            c, row, column = phase
            y[c + part.channels.start, row, column] = one.y[c + part.channels.start, row, column]


@pytest.mark.parametrize("window", SIZES)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_rows_are_those_of_the_slow_reference(window, pattern):
    plan = Plan(window=window, pattern=pattern, first=2)
    one = anything(window, (6, 5, 4))
    slow, count = Slow(one, plan, expected_sizes(tables())), 0
    for part, phase, rows, known in walked(one, plan):
        for (c, y, x), row in zip(phase.T.tolist(), rows, strict=True):
            place = (c + part.channels.start, y, x)
            assert not known[place]
            want = np.array(slow.row(known, *place), np.float64)
            np.testing.assert_array_equal(row, want, err_msg=str(place))
            count += 1
    assert count == (~chain().sure[one.index]).sum() > 60


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 2**32), st.sampled_from(SIZES), st.sampled_from(sorted(PATTERNS)),
    st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6)),
    st.sampled_from([0, 1, -(2**31), 2**31 - 1]),
)  # fmt: skip
def test_rows_depend_on_nothing_unknown(seed, window, pattern, shape, junk):
    plan, one = Plan(window=window, pattern=pattern), anything(seed, shape)
    pairs = zip(walked(one, plan), walked(one, plan, junk), strict=True)
    for (_, places, rows, known), (_, places2, rows2, known2) in pairs:
        np.testing.assert_array_equal(places, places2)
        np.testing.assert_array_equal(known, known2)
        np.testing.assert_array_equal(rows, rows2)


def test_rows_are_the_same_a_few_at_a_time():
    one, plan = anything(3, (4, 6, 7)), Plan()
    for part, phase, rows, _ in walked(one, plan):
        parts = [part.rows(phase[:, i : i + 5]) for i in range(0, phase.shape[1], 5)]
        np.testing.assert_array_equal(np.concatenate([rows[:0], *parts]), rows)


@pytest.mark.parametrize("window", SIZES)
def test_values_are_small_whole_numbers_and_have_names(window):
    plan, one = Plan(window=window), anything(0, (48, 9, 11))
    one.y[::2] = np.where(one.y[::2] < 0, -(1 << 20), 1 << 20)
    one.mu[0] = np.iinfo(np.int32).max
    one.mu[1] = np.iinfo(np.int32).min
    assert len(set(names(plan))) == len(names(plan))
    for _, _, rows, _ in walked(one, plan):
        assert rows.dtype == np.float32 and rows.shape[1] == len(names(plan))
        raw = [name.startswith("cell") for name in names(plan)]
        assert not np.isnan(rows[:, ~np.array(raw)]).any()
        values = rows[~np.isnan(rows)]
        assert (values == np.rint(values)).all() and np.abs(values).max() < 1 << 24


def test_cells_are_missing_exactly_where_nothing_is_known():
    plan, one = Plan(window=5), anything(1, (3, 6, 8))
    first = names(plan).index("cell -2 -2")
    for part, phase, rows, known in walked(one, plan):
        wide = np.pad(known, ((0, 0), (2, 2), (2, 2)))
        for (c, y, x), row in zip(phase.T.tolist(), rows, strict=True):
            want = wide[c + part.channels.start, y : y + 5, x : x + 5].ravel()
            np.testing.assert_array_equal(~np.isnan(row[first:]), want)
            assert np.isnan(row[first + 12])  # the symbol itself


def test_every_symbol_is_met_once():
    one = anything(2, (7, 6, 5))
    met = np.zeros(one.y.shape, int)
    for part, phase, _, _ in walked(one, Plan()):
        c, y, x = phase
        np.add.at(met, (c + part.channels.start, y, x), 1)
    np.testing.assert_array_equal(met, ~chain().sure[one.index])


def test_in_the_last_phase_all_around_is_known():
    """Away from the edges: what "quarters" is for."""
    one = anything(4, (1, 8, 8))
    *_, (_, phase, rows, _) = walked(one, Plan(window=3))
    called = names(Plan(window=3))
    cross = [called.index(f"cell {dy:+d} {dx:+d}") for dy, dx in CROSS]
    inner = ((phase[1:] > 0) & (phase[1:] < 7)).all(0)
    assert inner.any() and not np.isnan(rows[inner][:, cross]).any()


def test_sums_are_exact_where_float32_products_may_be_rounded():
    cells = np.full((64, 49), 4095, np.float32)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        assert (total(cells, np.ones((49, 1), np.float32)) == 49 * 4095).all()
    finally:
        torch.set_float32_matmul_precision(before)
