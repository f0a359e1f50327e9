r"""Range coder: symbols and the integer tables they follow, to bytes and back.

::

    symbols --+-- |s| <= L: slot s + L ------> range coder, one call per table --> data
    index ----+-- else: slot 2L + 1, and (|s| - L - 1, sign) as base-128 bytes --> escapes
    decisions --- yes or no, each with its own frequency --> range coder, one call --> data

Both sides know `index` beforehand, so symbols are sorted by table and a whole group goes through
constriction in one call; no Python loop runs over symbols. This file knows no float and no model.

Format of `data`: the range coder's 32-bit words, little-endian; the last one keeps only as many
leading bytes as it takes to name a number in the final interval, its lowest bytes are dropped and
read back as zeros. Format of `escapes`: LEB128 numbers in the order of coding.
"""

from collections.abc import Callable, Iterator

import numpy as np
from constriction import stream
from numpy.typing import NDArray

from hfx.entropy.pmf import PRECISION, Tables, escape_codes, escape_sizes
from hfx.errors import BitstreamError

CHUNK = 1 << 22  # symbols sorted at a time: bounds memory, and is part of the format

_MAX_ESCAPE_BYTES = 5  # 33 bits: int32 magnitude and sign
_DECISIONS = stream.model.Categorical(perfect=False)  # no, yes; probabilities come with each


class Encoder:
    """A stream being written, what is added first is read first: section 3.1's entropy coder."""

    def __init__(self) -> None:
        self._coder, self._codes = stream.queue.RangeEncoder(), [np.zeros(0, np.int64)]

    def symbols(
        self, symbols: NDArray[np.int32], index: NDArray[np.uint8], tables: Tables
    ) -> NDArray[np.int32]:
        r"""Code symbols, each under the table its index names, and return them.

        .. math:: bits = \sum_i (24 - \log_2 f_{index_i}(s_i)), \quad \text{and the escapes}

        Shapes:
            symbols: (n,), int32. index: (n,), uint8, in table rows.

        Raises:
            ValueError: shapes or types are wrong, or an index names no table.
        """
        _check(index, tables)
        if symbols.shape != index.shape or symbols.dtype != np.int32:
            raise ValueError(
                f"symbols must be {index.shape} int32, not {symbols.shape} {symbols.dtype}"
            )
        for order, groups in _groups(index):
            s, half = symbols[order], _halves(tables, groups)
            # abs(-2^31) wraps in int32, so compare both ends instead.
            escaped = (s > half) | (s < -half)
            slots = np.where(escaped, 2 * half + 1, s + half)
            for row, group in groups:
                self._coder.encode(slots[group], _model(tables, row))
            codes = escape_codes(s[escaped].astype(np.int64), half[escaped].astype(np.int64))
            self._codes.append(codes)
        return symbols

    def decisions(self, taken: NDArray[np.bool_], ones: NDArray[np.int32]) -> NDArray[np.bool_]:
        r"""Code yes-or-no decisions, each with its own probability, and return them.

        .. math:: bits = 24 - \log_2 (ones \; \text{if taken, else} \; 2^{24} - ones)

        Shapes:
            taken: (n,), bool. ones: (n,), int32, frequency of yes, 1 to 2^24 - 1.

        Raises:
            ValueError: shapes, types or a frequency are wrong.
        """
        if taken.shape != ones.shape or taken.dtype != np.bool_:
            raise ValueError(f"decisions must be {ones.shape} bool, not {taken.dtype}")
        if len(taken):
            self._coder.encode(taken.astype(np.int32), _DECISIONS, _leaky(ones))
        return taken

    def finish(self) -> tuple[bytes, bytes]:
        """End the stream: data and escapes, both b"" if nothing was added."""
        return _seal(self._coder), _pack(np.concatenate(self._codes))


class Decoder:
    """A stream being read (section 3.1), with the calls that wrote it, in the same order.

    `finish` must be called at the end: it refuses anything too long, nearly all that is cut
    short, and most garbage, because encoding what was decoded must give the same bytes; a damaged
    stream that happens to be the code of other symbols is left to the caller's checksum.

    Raises:
        BitstreamError: here or in any method: data or escapes were not written by these calls.
    """

    def __init__(self, data: bytes, escapes: bytes) -> None:
        self._data, self._coder = data, stream.queue.RangeDecoder(_words(data))
        self._codes, self._again = _unpack(escapes), Encoder()

    def symbols(self, index: NDArray[np.uint8], tables: Tables) -> NDArray[np.int32]:
        """Decode what `Encoder.symbols` coded; shapes and ValueErrors as there."""
        _check(index, tables)
        symbols = np.empty(index.shape, np.int32)
        for order, groups in _groups(index):
            slots, half = np.empty(len(order), np.int32), _halves(tables, groups)
            for row, group in groups:
                model, count = _model(tables, row), group.stop - group.start
                slots[group] = _pull(lambda: self._coder.decode(model, count))  # noqa: B023
            s = slots - half
            escaped = s > half
            s[escaped], self._codes = _outside(self._codes, half[escaped].astype(np.int64))
            symbols[order] = s
        return self._again.symbols(symbols, index, tables)

    def decisions(self, ones: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Decode what `Encoder.decisions` coded; shapes and ValueErrors as there."""
        taken, p = np.zeros(ones.shape, np.bool_), _leaky(ones)
        if len(taken):
            taken = _pull(lambda: self._coder.decode(_DECISIONS, p)).astype(np.bool_)
        return self._again.decisions(taken, ones)

    def finish(self) -> None:
        """Make sure that nothing is left and nothing was invented."""
        if len(self._codes):
            raise BitstreamError(f"{len(self._codes)} escaped values too many")
        if self._again.finish()[0] != self._data:
            raise BitstreamError("stream does not match its own symbols: truncated or damaged")


def encode(
    symbols: NDArray[np.int32], index: NDArray[np.uint8], tables: Tables
) -> tuple[bytes, bytes]:
    """Code symbols as a stream of their own: (data, escapes); see `Encoder.symbols`."""
    encoder = Encoder()
    encoder.symbols(symbols, index, tables)
    return encoder.finish()


def decode(
    data: bytes, escapes: bytes, index: NDArray[np.uint8], tables: Tables
) -> NDArray[np.int32]:
    """Decode what `encode` wrote, (n,) symbols; raises what `Decoder` raises."""
    decoder = Decoder(data, escapes)
    symbols = decoder.symbols(index, tables)
    decoder.finish()
    return symbols


def _check(index: NDArray[np.uint8], tables: Tables) -> None:
    """Refuse what numpy would broadcast or wrap around silently."""
    if index.ndim != 1 or index.dtype != np.uint8:
        raise ValueError(f"index must be (n,) uint8, not {index.shape} {index.dtype}")
    if len(index) and int(index.max()) >= len(tables):
        raise ValueError(f"index {index.max()} names none of {len(tables)} tables")


def _groups(
    index: NDArray[np.uint8],
) -> Iterator[tuple[NDArray[np.intp], list[tuple[int, slice]]]]:
    """Yield, for each chunk, its positions sorted by table, and (table, slice of those)."""
    for start in range(0, len(index), CHUNK):
        chunk = index[start : start + CHUNK]
        # Stable: equal indices keep their order on every platform (and bytes sort by radix).
        order = np.argsort(chunk, kind="stable") + start
        counts = np.bincount(chunk)
        ends = np.cumsum(counts)
        rows = np.flatnonzero(counts)
        yield order, [(int(r), slice(int(ends[r] - counts[r]), int(ends[r]))) for r in rows]


def _halves(tables: Tables, groups: list[tuple[int, slice]]) -> NDArray[np.int32]:
    """L of every sorted symbol of a chunk."""
    rows = [row for row, _ in groups]
    return np.repeat(tables.half[rows], [group.stop - group.start for _, group in groups])


def _pull(decode: Callable[[], NDArray[np.int32]]) -> NDArray[np.int32]:
    """Decode one group; constriction reports impossible data as a failed assertion."""
    try:
        return decode()
    except (AssertionError, ValueError) as error:
        raise BitstreamError(f"range coder: {error}") from error


def _outside(
    codes: NDArray[np.int64], half: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Symbols of the first escape codes, as many as half has, and the codes that are left."""
    if len(codes) < len(half):
        raise BitstreamError(f"{len(half) - len(codes)} escaped values are missing")
    codes, left = codes[: len(half)], codes[len(half) :]
    magnitude = (codes >> 1) + half + 1
    if (magnitude > (1 << 31) - 1 + (codes & 1)).any():
        raise BitstreamError("escaped value beyond 32 bits")
    return np.where(codes & 1, -magnitude, magnitude), left


def _model(tables: Tables, row: int) -> stream.model.Categorical:
    """One table as constriction sees it; exactness is argued in `pmf`."""
    return stream.model.Categorical(tables.leaky(row), lazy=False, perfect=False)


def _leaky(ones: NDArray[np.int32]) -> NDArray[np.float64]:
    """Turn frequencies of yes into what constriction rebuilds exactly them from, (n, 2).

    As for `Tables.leaky`: the two entries sum to 2^24 - 2, so that its scale is exactly 1.
    """
    if len(ones) and not 0 < int(ones.min()) <= int(ones.max()) < 1 << PRECISION:
        raise ValueError("frequencies must lie between 1 and 2^24 - 1")
    yes = ones.astype(np.float64) - 1
    return np.stack([(1 << PRECISION) - 2 - yes, yes], 1)


def _seal(coder: stream.queue.RangeEncoder) -> bytes:
    """End the stream with the fewest bytes that, read with zeros behind, hit the interval.

    constriction itself spends one or two words there, which leaves room for data to follow.
    """
    count, (lower, width) = coder.pos()
    sealed = coder.get_compressed()
    if not len(sealed):
        return b""
    upper = min(lower + width, 1 << 64)
    if int(sealed[count]) << 32 < lower:  # sealing carried into the words before: stay beyond it
        lower, upper = 0, lower + width - (1 << 64)
    for size in range(5):  # width >= 2^32, so four bytes always suffice
        unit = 1 << (64 - 8 * size)
        value = -(-lower // unit) * unit  # the next multiple up
        if value < upper:
            break
    tail = (value >> 32).to_bytes(4, "little")
    return sealed[:count].astype("<u4").tobytes() + tail[4 - size :]


def _words(data: bytes) -> NDArray[np.uint32]:
    """Words of a stream, the dropped low bytes of its last word restored as zeros."""
    whole = len(data) // 4 * 4
    rest = data[whole:]
    padded = data[:whole] + (rest.rjust(4, b"\0") if rest else b"")
    return np.frombuffer(padded, "<u4").astype(np.uint32)


def _pack(codes: NDArray[np.int64]) -> bytes:
    """LEB128: seven bits a byte, lowest first, the top bit set on all but the last."""
    place = np.arange(_MAX_ESCAPE_BYTES)
    sizes = escape_sizes(codes)[:, None]
    digits = (codes[:, None] >> 7 * place & 127) | (place < sizes - 1) * 128
    return digits[place < sizes].astype(np.uint8).tobytes()


def _unpack(data: bytes) -> NDArray[np.int64]:
    """Inverse of `_pack`. Raises BitstreamError for anything that `_pack` does not write."""
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw < 128) + 1
    sizes = np.diff(ends, prepend=0)
    if len(raw) != sizes.sum() or (sizes > _MAX_ESCAPE_BYTES).any():
        raise BitstreamError("escaped values are cut short or too long")
    if not len(raw):
        return np.zeros(0, np.int64)
    place = np.arange(len(raw)) - np.repeat(ends - sizes, sizes)
    codes = np.add.reduceat((raw & 127).astype(np.int64) << 7 * place, ends - sizes)
    if _pack(codes) != data:
        raise BitstreamError("escaped values are padded")
    return codes
