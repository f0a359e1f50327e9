"""The coder: decoding inverts encoding, costs what the tables say, and refuses everything else."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import hfx.entropy.coder as coder_module
from hfx.entropy.coder import decode, encode
from hfx.entropy.pmf import Tables, build_tables
from hfx.entropy.scales import scale_table
from hfx.errors import BitstreamError

TABLES = {family: build_tables(family, scale_table()) for family in ("gaussian", "logistic")}
INT32 = np.iinfo(np.int32)


def random_tables(rng, count):
    """Rows of any shape: half of them spiky, with many frequencies of 1."""
    half = rng.integers(0, 40, count).astype(np.int32)
    half[0] = 40
    frequencies = np.zeros((count, 82), np.int32)
    for row, size in zip(frequencies, 2 * half + 2, strict=True):
        p = rng.dirichlet(np.full(size, rng.choice([0.05, 2.0])))
        row[:size] = 1 + np.floor(p * (2**24 - size))
        row[rng.integers(size)] += 2**24 - row.sum()
    return Tables(frequencies, half)


def laplacian(rng, count, width=64):
    """Symbols about as wide as their tables say, with a few far outside."""
    index = rng.integers(0, width, count).astype(np.uint8)
    return np.rint(rng.laplace(0, scale_table()[index])).astype(np.int32), index


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(0, 300), st.integers(0, 2**32 - 1))
def test_round_trip_of_anything(data, count, seed):
    tables = random_tables(np.random.default_rng(seed), data.draw(st.integers(1, 70)))
    symbol = st.one_of(st.integers(-45, 45), st.integers(int(INT32.min), int(INT32.max)))
    symbols = data.draw(arrays(np.int32, count, elements=symbol))
    index = data.draw(arrays(np.uint8, count, elements=st.integers(0, len(tables) - 1)))
    np.testing.assert_array_equal(decode(*encode(symbols, index, tables), index, tables), symbols)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=24), st.binary(max_size=6), st.integers(0, 40), st.integers(0, 63))
def test_decode_returns_only_what_encodes_to_the_same_bytes(data, escapes, count, row):
    index = np.full(count, row, np.uint8)
    try:
        symbols = decode(data, escapes, index, TABLES["gaussian"])
    except BitstreamError:
        return
    assert encode(symbols, index, TABLES["gaussian"]) == (data, escapes)


@pytest.mark.parametrize("value", [0, 1, -1, 10**6, INT32.max, INT32.min])
def test_constant_streams(value):
    index = np.arange(640).astype(np.uint8) % 64
    symbols = np.full(640, value, np.int32)
    for tables in TABLES.values():
        out = decode(*encode(symbols, index, tables), index, tables)
        np.testing.assert_array_equal(out, symbols)
        assert out.dtype == np.int32


def test_empty_is_empty():
    nothing, index = np.zeros(0, np.int32), np.zeros(0, np.uint8)
    assert encode(nothing, index, TABLES["gaussian"]) == (b"", b"")
    assert decode(b"", b"", index, TABLES["gaussian"]).shape == (0,)


def test_certain_zeros_are_nearly_free():
    index = np.zeros(100_000, np.uint8)
    data, escapes = encode(np.zeros(100_000, np.int32), index, TABLES["gaussian"])
    assert len(data) <= 1 and escapes == b""


@pytest.mark.parametrize("family", TABLES)
def test_bytes_are_what_the_tables_say(family):
    symbols, index = laplacian(np.random.default_rng(0), 50_000)
    data, escapes = encode(symbols, index, TABLES[family])
    bits = TABLES[family].bits(symbols, index).sum()
    assert len(escapes) > 0
    assert -1 <= len(data) + len(escapes) - bits / 8 < 0.001 * bits / 8 + 2


def test_single_symbols_take_no_whole_words():
    """A stream ends with the bytes it needs: at most one more than its bits, rounded up."""
    tables = TABLES["gaussian"]
    for row in range(64):
        index = np.array([row], np.uint8)
        for symbol in range(-int(tables.half[row]), int(tables.half[row]) + 1, 7):
            one = np.array([symbol], np.int32)
            data, _ = encode(one, index, tables)
            assert 8 * len(data) < tables.bits(one, index)[0] + 16


def test_chunks(monkeypatch):
    monkeypatch.setattr(coder_module, "CHUNK", 1000)
    symbols, index = laplacian(np.random.default_rng(1), 4321)
    stream = encode(symbols, index, TABLES["gaussian"])
    np.testing.assert_array_equal(decode(*stream, index, TABLES["gaussian"]), symbols)


def golden_case():
    """Integers only, so that no random generator or libm is part of the format."""
    i = np.arange(5000, dtype=np.int64)
    index = (i * i // 7 % 5).astype(np.uint8)
    symbols = ((i * 7919 % 101) * (i * 104729 % 13) // 60 - 5).astype(np.int32)
    symbols[::500] *= 10_000
    frequencies, half = np.zeros((5, 34), np.int64), np.array([3, 8, 16, 1, 12], np.int32)
    for row, size in zip(frequencies, 2 * half + 2, strict=True):
        row[:size] = 1 + np.arange(1, size + 1) ** 2
        row[0] += 2**24 - row.sum()
    return symbols, index, Tables(frequencies.astype(np.int32), half)


def test_golden_bytes():
    """Pins the format: change it only together with the container's version."""
    symbols, index, tables = golden_case()
    data, escapes = encode(symbols, index, tables)
    assert (len(data), len(escapes)) == GOLDEN_SIZES
    assert hashlib.sha256(data).hexdigest() == GOLDEN_DATA
    assert hashlib.sha256(escapes).hexdigest() == GOLDEN_ESCAPES
    small = encode(symbols[:9], index[:9], tables)
    assert tuple(part.hex() for part in small) == GOLDEN_SMALL
    np.testing.assert_array_equal(decode(data, escapes, index, tables), symbols)


GOLDEN_SIZES = (10725, 1275)
GOLDEN_DATA = "234ac0e275c502e735d629f1fcfe72923a7fa3183b34063245822ca4ff2ea74d"
GOLDEN_ESCAPES = "91b193388cc5d7c031fdeaa134a96cd6ec4759de9d5a3ebcb2da4668d7c756e3"
GOLDEN_SMALL = ("ffffffff24e6fffd5fdfd6efd67e74be03ff", "998d060307")


def test_malformed_streams_are_refused():
    symbols, index = laplacian(np.random.default_rng(2), 3000)
    tables = TABLES["gaussian"]
    data, escapes = encode(symbols, index, tables)
    assert escapes
    for bad in (
        (b"", escapes),
        (data[: len(data) // 2], escapes),
        (data + b"\0", escapes),
        (data + b"\1", escapes),
        (data + bytes(400), escapes),
        (data, escapes[:-1]),
        (data, escapes + b"\0"),
        (data, b""),
        (data, b"\xff" * len(escapes)),
        (data, escapes[:-1] + b"\x80\0"),  # the same number, written longer
        (b"\xff" * len(data), escapes),
        (escapes, data),
    ):
        with pytest.raises(BitstreamError):
            decode(*bad, index, tables)
    with pytest.raises(BitstreamError):
        decode(data, escapes, index[:-100], tables)


def test_truncation_never_gives_the_symbols_back():
    """Dropping the last bytes may leave the code of other symbols; dropping more is noticed."""
    symbols, index = laplacian(np.random.default_rng(4), 2000)
    data, escapes = encode(symbols, index, TABLES["gaussian"])
    for cut in range(1, 40):
        try:
            other = decode(data[:-cut], escapes, index, TABLES["gaussian"])
            assert cut < 8 and (other != symbols).any()
        except BitstreamError:
            pass


def test_flipped_bits_never_give_the_symbols_back():
    symbols, index = laplacian(np.random.default_rng(3), 500)
    tables = TABLES["logistic"]
    data, escapes = encode(symbols, index, tables)
    for bit in range(0, 8 * len(data), 11):
        bad = bytearray(data)
        bad[bit // 8] ^= 1 << bit % 8
        try:
            assert (decode(bytes(bad), escapes, index, tables) != symbols).any()
        except BitstreamError:
            pass


def test_an_escape_beyond_32_bits_is_refused():
    index = np.zeros(1, np.uint8)
    data, _ = encode(np.array([INT32.max], np.int32), index, TABLES["gaussian"])
    for escapes in (b"\xff\xff\xff\xff\x7f", b"\xff" * 9 + b"\1"):
        with pytest.raises(BitstreamError, match="32 bits|too long"):
            decode(data, escapes, index, TABLES["gaussian"])


def test_wrong_arguments_are_value_errors():
    tables = build_tables("gaussian", np.array([1.0, 2.0]))
    zero = np.zeros(3, np.int32)
    for symbols, index in (
        (zero, np.array([0, 1, 2], np.uint8)),
        (zero, np.zeros(2, np.uint8)),
        (zero, np.zeros(3, np.int64)),
        (zero.astype(np.int64), np.zeros(3, np.uint8)),
        (zero.reshape(1, 3), np.zeros((1, 3), np.uint8)),
    ):
        with pytest.raises(ValueError):
            encode(symbols, index, tables)
    with pytest.raises(ValueError):
        decode(b"", b"", np.array([2], np.uint8), tables)
