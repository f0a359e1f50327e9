"""The coder, continued: several calls write one stream, with decisions between the symbols."""

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_coder import TABLES, laplacian, random_tables

import hfx.entropy.coder as coder_module
from hfx.entropy.coder import Decoder, Encoder, encode
from hfx.errors import BitstreamError


def frequencies(rng, count):
    """Of yes: fair ones, nearly certain ones, and the two most extreme."""
    ones = rng.integers(1, 1 << 24, count)
    ones = np.where(rng.random(count) < 0.3, rng.integers(1, 9, count), ones)
    return np.where(rng.random(count) < 0.3, (1 << 24) - ones, ones).astype(np.int32)


@pytest.mark.parametrize("ones", [1, 2, 3, 1000, 2**23 - 1, 2**23, 2**24 - 1000, 2**24 - 1])
def test_decisions_use_these_very_integers(ones):
    """Read the boundary between no and yes back: no has 2^24 - ones parts of the range, yes ones.

    As for the tables: the point c (2^40 - 1) is the first of cumulative frequency c. `_leaky`'s
    input reaches constriction as the coder hands it over.
    """
    part, edge = (1 << 40) - 1, (1 << 24) - ones
    p = coder_module._leaky(np.array([ones], np.int32))
    assert (p == np.floor(p)).all() and p.min() >= 0 and p.sum() == (1 << 24) - 2
    for point, taken in (
        (0, False), (edge * part - 1, False), (edge * part, True), ((1 << 24) * part - 1, True),
    ):  # fmt: skip
        words = np.array([point >> 32, point & 0xFFFFFFFF], np.uint32)
        decoder = constriction.stream.queue.RangeDecoder(words)
        assert bool(decoder.decode(coder_module._DECISIONS, p)[0]) == taken


def test_decisions_take_the_bits_of_their_frequencies():
    rng = np.random.default_rng(0)
    ones = rng.integers(1, 1 << 24, 40_000).astype(np.int32)
    taken = rng.random(len(ones)) * 2**24 < ones
    encoder = Encoder()
    encoder.decisions(taken, ones)
    data, escapes = encoder.finish()
    bits = (24 - np.log2(np.where(taken, ones, 2**24 - ones))).sum()
    assert escapes == b"" and -1 <= len(data) - bits / 8 < 0.001 * bits / 8 + 2


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=8), st.integers(0, 2**32))
def test_calls_of_both_kinds_share_a_stream(calls, seed):
    rng = np.random.default_rng(seed)
    tables, encoder, wanted = random_tables(rng, 5), Encoder(), []
    for decides, count in calls:
        if decides:
            known = frequencies(rng, count)
            wanted.append((known, rng.random(count) < 0.5))
            encoder.decisions(wanted[-1][1], known)
        else:
            known = rng.integers(0, 5, count).astype(np.uint8)
            some = rng.integers(-50, 51, count) ** rng.choice([1, 5], count)
            wanted.append((known, some.astype(np.int32)))
            encoder.symbols(wanted[-1][1], known, tables)
    decoder = Decoder(*encoder.finish())
    for (decides, _), (known, values) in zip(calls, wanted, strict=True):
        got = decoder.decisions(known) if decides else decoder.symbols(known, tables)
        assert got.dtype == values.dtype
        np.testing.assert_array_equal(got, values)
    decoder.finish()


def test_one_call_is_encode():
    symbols, index = laplacian(np.random.default_rng(5), 3000)
    tables, encoder = TABLES["gaussian"], Encoder()
    assert encoder.symbols(symbols, index, tables) is symbols
    assert encoder.finish() == encode(symbols, index, tables)
    assert Encoder().finish() == (b"", b"")
    Decoder(b"", b"").finish()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=24), st.binary(max_size=3), st.integers(0, 40), st.integers(0, 2**32))
def test_garbage_decides_only_what_encodes_to_the_same_bytes(data, escapes, count, seed):
    ones = frequencies(np.random.default_rng(seed), count)
    try:
        decoder = Decoder(data, escapes)
        taken = decoder.decisions(ones)
        decoder.finish()
    except BitstreamError:
        return
    encoder = Encoder()
    encoder.decisions(taken, ones)
    assert encoder.finish() == (data, escapes)


def test_what_is_left_over_or_cut_off_is_refused():
    rng = np.random.default_rng(6)
    ones = rng.integers(1 << 22, 3 << 22, 2000).astype(np.int32)
    taken, encoder = rng.random(2000) < 0.5, Encoder()
    encoder.decisions(taken, ones)
    data, _ = encoder.finish()
    for bad, escapes, known in (
        (data[:-8], b"", ones),
        (data[: len(data) // 2], b"", ones),
        (data + b"\1", b"", ones),
        (data, b"\0", ones),
        (data, b"\x80", ones),
        (data, b"", ones[:-40]),
        (data, b"", ones[::-1].copy()),
    ):
        with pytest.raises(BitstreamError):
            decoder = Decoder(bad, escapes)
            decoder.decisions(known)
            decoder.finish()


@pytest.mark.parametrize(
    ("taken", "ones"),
    [
        (np.ones(2, bool), np.full(3, 9, np.int32)),
        (np.ones(3, np.int32), np.full(3, 9, np.int32)),
        (np.ones(1, bool), np.array([0], np.int32)),
        (np.ones(1, bool), np.array([-5], np.int32)),
        (np.ones(1, bool), np.array([1 << 24], np.int32)),
    ],
)
def test_wrong_decisions_are_value_errors(taken, ones):
    with pytest.raises(ValueError):
        Encoder().decisions(taken, ones)
    if not 0 < ones[0] < 1 << 24:
        with pytest.raises(ValueError):
            Decoder(b"", b"").decisions(ones)
