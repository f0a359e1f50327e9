"""Tables: integers that sum to 2^24, never 0, near the law, and exactly what the coder uses."""

import math

import constriction
import numpy as np
import pytest

from hfx.entropy.pmf import MAX_HALF, PRECISION, TAIL_MASS, Tables, build_tables
from hfx.entropy.scales import scale_table

TABLES = {family: build_tables(family, scale_table()) for family in ("gaussian", "logistic")}
BOTH = pytest.mark.parametrize("tables", TABLES.values(), ids=TABLES.keys())


def tail(family, scale, half):
    x = (half + 0.5) / scale
    return math.erfc(x / math.sqrt(2)) if family == "gaussian" else 2 / (1 + math.exp(x))


@BOTH
def test_sums_to_a_power_of_two_and_never_zero(tables):
    assert len(tables) == 64 and tables.frequencies.dtype == tables.half.dtype == np.int32
    for row, half in zip(tables.frequencies, tables.half, strict=True):
        assert row.sum(dtype=np.int64) == 1 << PRECISION
        assert (row[: 2 * half + 2] >= 1).all() and not row[2 * half + 2 :].any()


@pytest.mark.parametrize("family", TABLES)
def test_support_is_the_smallest_with_a_small_tail(family):
    for scale, half in zip(scale_table(), TABLES[family].half.tolist(), strict=True):
        assert half == MAX_HALF or tail(family, scale, half) < TAIL_MASS
        assert half == 1 or tail(family, scale, half - 1) >= TAIL_MASS


@pytest.mark.parametrize("family", TABLES)
def test_escape_has_the_mass_outside(family):
    tables = TABLES[family]
    for scale, half, row in zip(scale_table(), tables.half, tables.frequencies, strict=True):
        assert abs(row[2 * half + 1] / 2**PRECISION - tail(family, scale, half)) < 2**-22


@BOTH
def test_symmetric_up_to_one_count_and_falling(tables):
    for row, half in zip(tables.frequencies, tables.half, strict=True):
        support = row[: 2 * half + 1]
        assert np.abs(support - support[::-1]).max() <= 1
        assert (np.diff(support[half:]) <= 1).all()


@BOTH
def test_rounding_costs_next_to_nothing(tables):
    """Entropy of the law against its cost under the table: below 2^-10 bits a symbol."""
    for scale, half, row in zip(scale_table(), tables.half, tables.frequencies, strict=True):
        f = row[: 2 * half + 2] / 2**PRECISION
        if tables is TABLES["gaussian"]:
            edges = [math.erfc((k - 0.5) / scale / math.sqrt(2)) / 2 for k in range(half + 2)]
        else:
            edges = [1 / (1 + math.exp((k - 0.5) / scale)) for k in range(half + 2)]
        upper = -np.diff(edges)
        p = np.concatenate([upper[:0:-1], upper, [2 * edges[-1]]])
        p = np.maximum(p, 1e-300)
        assert 0 <= (p * np.log2(p / f)).sum() < 2**-10


@BOTH
def test_the_coder_uses_these_very_integers(tables):
    """Read constriction's CDF back: at each boundary and just below it, which slot is decoded?

    A fresh decoder divides 2^64 - 1 into 2^24 parts of 2^40 - 1, so the point c (2^40 - 1) is the
    first that belongs to cumulative frequency c.
    """
    part = (1 << 40) - 1
    for i in range(0, 64, 3):
        row = tables.frequencies[i, : 2 * tables.half[i] + 2].astype(np.int64)
        model = constriction.stream.model.Categorical(tables.leaky(i), lazy=False, perfect=False)
        starts = np.cumsum(row) - row
        checked = np.unique(np.linspace(0, len(row) - 1, 40).astype(int))
        for slot in checked.tolist():
            first, last = int(starts[slot]), int(starts[slot] + row[slot])
            for point in (first * part, last * part - 1):
                words = np.array([point >> 32, point & 0xFFFFFFFF], np.uint32)
                assert constriction.stream.queue.RangeDecoder(words).decode(model) == slot


@BOTH
def test_what_the_coder_gets_is_exact(tables):
    for i in range(64):
        leaky = tables.leaky(i)
        assert leaky.dtype == np.float64 and (leaky == np.floor(leaky)).all() and leaky.min() >= 0
        assert leaky.sum() == (1 << PRECISION) - len(leaky)  # hence scale == 1


@BOTH
def test_arrays_round_trip(tables):
    again = Tables.from_arrays(tables.to_arrays())
    np.testing.assert_array_equal(again.frequencies, tables.frequencies)
    np.testing.assert_array_equal(again.half, tables.half)
    assert sum(a.nbytes for a in tables.to_arrays().values()) < 500_000


def test_bits_counts_escapes_in_full():
    tables = TABLES["gaussian"]
    half, row = int(tables.half[0]), tables.frequencies[0]
    # Beyond L the payload counts 0, 1, ... with the sign: 64 distances fit one byte.
    symbols = np.array([0, half, half + 1, half + 64, half + 65, -(2**31)])
    got = tables.bits(symbols, np.zeros(6, int))
    escape = 24 - math.log2(row[2 * half + 1])
    centre, edge = 24 - math.log2(row[half]), 24 - math.log2(row[2 * half])
    want = [centre, edge, escape + 8, escape + 8, escape + 16, escape + 40]
    np.testing.assert_allclose(got, want)


def test_invalid_tables_are_refused():
    good = TABLES["gaussian"].to_arrays()
    for name, change in (("frequencies", 1), ("half", 1)):
        bad = {key: value.copy() for key, value in good.items()}
        bad[name][0] += change
        with pytest.raises(ValueError, match="tables"):
            Tables.from_arrays(bad)
    with pytest.raises(ValueError, match="tables"):
        Tables.from_arrays({"frequencies": good["frequencies"], "half": good["half"] - 1000})
    with pytest.raises(ValueError, match="family"):
        build_tables("cauchy", scale_table())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="positive"):
        build_tables("gaussian", np.array([1.0, 0.0]))
