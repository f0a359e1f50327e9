"""One walk in three ways: what is written is read, costs what it should, and hides nothing."""

from dataclasses import replace

import numpy as np
import pytest
from fields import Deaf, Moody, Spy, anything, chain, field, structured, tables
from hypothesis import given, settings
from hypothesis import strategies as st

from hfx.entropy import coder
from hfx.entropy.coder import Encoder
from hfx.errors import BitstreamError
from hfx.neighbours import coding
from hfx.neighbours.chain import DECISIONS, REST
from hfx.neighbours.plan import PATTERNS, Plan

SHAPES = [(1, 1, 1), (6, 1, 1), (1, 9, 1), (3, 1, 40), (2, 30, 2), (9, 7, 5), (70, 3, 2)]
CERTAIN = [(0, 1), (63, 64), (0, 64)]  # tables: only sure ones, only wide ones, any


def there_and_back(model, one):
    data, escapes = coding.encode(model, tables(), *one.side, one.y)
    y = coding.decode(model, tables(), *one.side, data, escapes)
    assert y.dtype == np.int32
    np.testing.assert_array_equal(y, one.y)
    return data, escapes


def free(one):
    """The bits of symbols by the hyperprior alone."""
    return tables().bits(one.y, one.index)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_shape(shape, pattern):
    for seed in range(3):
        there_and_back(Moody(Plan(pattern=pattern)), anything(seed, shape))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32), st.tuples(st.integers(1, 5), st.integers(1, 8), st.integers(1, 8)),
    st.sampled_from([1, 3, 7]), st.integers(1, 3), st.sampled_from(CERTAIN),
)  # fmt: skip
def test_round_trip_of_anything(seed, shape, window, first, likely):
    one = anything(seed, shape)
    one = replace(one, index=field(seed, shape, likely=likely).index)
    there_and_back(Moody(Plan(window=window, first=first)), one)


@pytest.mark.parametrize("value", [0, 1, -1, REST, -REST, 1 << 20, -(1 << 20)])
def test_constant_symbols(value):
    one = anything(0, (3, 5, 6))
    there_and_back(Deaf(Plan()), replace(one, y=np.full_like(one.y, value)))


def test_several_batches(monkeypatch):
    one = anything(1, (5, 9, 8))
    whole = there_and_back(Moody(Plan()), one)
    monkeypatch.setattr(coding, "BATCH", 7)
    spy = Spy(Plan())
    parts = there_and_back(Moody(Plan()), one)
    assert parts != whole  # the size of a batch is part of the format
    there_and_back(spy, one)
    assert max(len(rows) for _, rows in spy.seen) == 7


@pytest.mark.parametrize("likely", [(8, 30), (30, 50), (0, 64)])
def test_bits_are_the_size_of_the_file(likely):
    one = structured(2, shape=(12, 20, 30), likely=likely)
    for model in (Deaf(Plan()), Moody(Plan())):
        bits = coding.bits(model, tables(), *one.side, one.y)
        assert bits.shape == one.y.shape and bits.min() >= 0
        size = sum(map(len, there_and_back(model, one)))
        assert abs(bits.sum() / 8 - size) < 0.005 * size + 4


def test_bits_count_escapes():
    one = anything(3, (4, 10, 10))
    data, escapes = there_and_back(Deaf(Plan()), one)
    assert len(escapes) > 20
    bits = coding.bits(Deaf(Plan()), tables(), *one.side, one.y).sum()
    assert abs(bits / 8 - len(data) - len(escapes)) < 0.005 * len(data) + 4


# --- nothing is lost where nothing is said


def test_a_silent_model_writes_what_is_written_without_one():
    silent = Deaf(Plan())
    silent.silent = True
    for seed in range(5):
        one = anything(seed, (7, 6, 9))
        plain = coder.encode(one.y.ravel(), one.index.ravel(), tables())
        assert there_and_back(silent, one) == plain
        np.testing.assert_array_equal(coding.bits(silent, tables(), *one.side, one.y), free(one))


@pytest.mark.parametrize("likely", [(12, 24), (24, 36), (36, 48), (48, 64)])
def test_the_chain_alone_costs_what_the_hyperprior_costs(likely):
    one = field(0, (16, 40, 50), likely)
    assert not chain().sure[one.index].all()
    bits = coding.bits(Deaf(Plan()), tables(), *one.side, one.y).sum()
    assert bits == pytest.approx(free(one).sum(), rel=0.001)


def test_each_symbol_alone_costs_what_the_hyperprior_says():
    """Not only on average: every size under every open table, up to where it is improbable."""
    index = np.repeat(np.flatnonzero(~chain().sure), 41).astype(np.uint8).reshape(-1, 1, 41)
    y = np.broadcast_to(np.arange(-20, 21, dtype=np.int32), index.shape).copy()
    one = replace(anything(0, index.shape), index=index, y=y)
    got, want = coding.bits(Deaf(Plan()), tables(), *one.side, y), free(one)
    likely = want < 15
    assert likely.sum() > 500
    np.testing.assert_allclose(got[likely], want[likely], atol=0.02)


def test_sure_symbols_are_never_asked_about():
    one, spy = anything(4, (6, 8, 8)), Spy(Plan())
    sure = chain().sure[one.index]
    coding.encode(spy, tables(), *one.side, one.y)
    asked = sum(len(rows) for decision, rows in spy.seen if decision == 0)
    assert 0 < asked == (~sure).sum() < one.y.size
    bits = coding.bits(spy, tables(), *one.side, one.y)
    np.testing.assert_array_equal(bits[sure], free(one)[sure])


def test_each_decision_is_asked_of_the_symbols_that_reach_it():
    one, spy = anything(5, (6, 8, 8)), Spy(Plan())
    coding.encode(spy, tables(), *one.side, one.y)
    size = np.abs(one.y[~chain().sure[one.index]])
    for number, name in enumerate(DECISIONS):
        least = {"not zero": 0, "positive": 1}.get(name) or int(name.split()[-1]) if number else 0
        asked = sum(len(rows) for decision, rows in spy.seen if decision == number)
        assert asked == (size >= least).sum()


def test_what_neighbours_say_moves_the_bits():
    """A model that leans to yes makes yes cheaper and no dearer."""

    class Bold(Deaf):
        def margins(self, decision, rows, base):
            return base + 700 * (decision == 0)

    one = field(1, likely=(20, 40))
    bold, deaf = (coding.bits(m(Plan()), tables(), *one.side, one.y) for m in (Bold, Deaf))
    zero = one.y == 0
    assert (bold[zero] > deaf[zero]).all() and (bold[~zero] < deaf[~zero]).all()


# --- what was not written


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=40), st.binary(max_size=4), st.integers(0, 2**32), st.booleans())
def test_garbage_is_refused_or_reads_back_the_same(data, escapes, seed, silent):
    one, model = anything(seed, (2, 2, 3)), Moody(Plan())
    model.silent = silent
    try:
        y = coding.decode(model, tables(), *one.side, data, escapes)
    except BitstreamError:
        return
    assert coding.encode(model, tables(), *one.side, y) == (data, escapes)


def test_what_is_cut_off_or_too_long_is_refused():
    one, model = anything(6, (5, 9, 9)), Moody(Plan())
    data, escapes = coding.encode(model, tables(), *one.side, one.y)
    for bad in (
        (data[:-8], escapes), (data[:9], escapes), (b"", escapes), (data + b"\1", escapes),
        (data, escapes[:-1]), (data, escapes + b"\0"), (data, b""),
    ):  # fmt: skip
        with pytest.raises(BitstreamError):
            coding.decode(model, tables(), *one.side, *bad)


@pytest.mark.parametrize("rest", [-5, -(2**31), 2**31 - 1])
def test_a_tail_that_contradicts_the_decisions_is_refused(rest):
    """An escape may hold any number; one below the tail's smallest is nobody's symbol."""
    one = replace(anything(0, (1, 1, 1)), index=np.full((1, 1, 1), 40, np.uint8))
    model, encoder, index = Deaf(Plan()), Encoder(), one.index.ravel()
    encoder.symbols(np.zeros(0, np.int32), index[:0], tables())  # the sure ones: none
    for decision in range(len(DECISIONS)):
        ones = chain().ones(chain().base[decision, index].astype(np.int64))
        encoder.decisions(np.ones(1, bool), ones)
    far = rest if abs(rest) > 5 else rest - int(chain().tails.half[40])
    encoder.symbols(np.array([far], np.int32), index, chain().tails)
    with pytest.raises(BitstreamError, match="contradicts"):
        coding.decode(model, tables(), *one.side, *encoder.finish())
