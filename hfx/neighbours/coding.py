"""One walk over the symbols of a picture that encodes, decodes or counts, by the port it is given.

sure symbols -------------------------------> the hyperprior's tables, as without neighbours
slice by slice, phase by phase: window -> model -> chain of decisions -> range coder
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hfx.entropy.coder import Decoder, Encoder
from hfx.entropy.pmf import PRECISION, Tables
from hfx.errors import BitstreamError
from hfx.neighbours.chain import DECISIONS, REST, Chain, expected_sizes
from hfx.neighbours.plan import Plan
from hfx.neighbours.window import Context

BATCH = 1 << 16  # symbols predicted at a time: bounds memory, and is part of the format

Symbols = NDArray[np.int32]
Places = NDArray[np.intp]  # flat positions in (C, h, w)
Answer = Callable[[Symbols], NDArray[np.bool_]]


class Model(Protocol):
    """What predicts decisions from neighbours: KNN, XGBoost, or nothing at all."""

    @property
    def kind(self) -> str:
        """Its name in the file."""

    @property
    def plan(self) -> Plan:
        """Order and window."""

    @property
    def chain(self) -> Chain:
        """The hyperprior's side of the decisions."""

    @property
    def silent(self) -> bool:
        """Whether it never says anything; symbols are then coded as without it."""

    def margins(
        self, decision: int, rows: NDArray[np.float32], base: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the margin of yes, in 1/GRID nats: (n, F) features, (n,) base margins to (n,)."""
        ...


class Port(Protocol):
    """Where symbols come from and where decisions go to."""

    def symbols(
        self, at: Places, of: Callable[[Symbols], Symbols], index: NDArray[np.uint8],
        tables: Tables,
    ) -> Symbols:  # fmt: skip
        """Pass on what `of` makes of the symbols at some places, under the tables of `index`."""
        ...

    def decide(self, at: Places, of: Answer, ones: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Pass on the answers that `of` reads off the symbols, yes with frequency `ones`."""
        ...


class Writer:
    """Encodes the symbols it is given."""

    def __init__(self, y: Symbols) -> None:
        self.y, self.encoder = y.ravel(), Encoder()

    def symbols(
        self, at: Places, of: Callable[[Symbols], Symbols], index: NDArray[np.uint8],
        tables: Tables,
    ) -> Symbols:  # fmt: skip
        """Encode symbols."""
        return self.encoder.symbols(of(self.y[at]), index, tables)

    def decide(self, at: Places, of: Answer, ones: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Encode decisions."""
        return self.encoder.decisions(of(self.y[at]), ones)


class Reader:
    """Decodes a stream; nothing is known of the symbols."""

    def __init__(self, data: bytes, escapes: bytes) -> None:
        self.decoder = Decoder(data, escapes)

    def symbols(
        self, at: Places, of: Callable[[Symbols], Symbols], index: NDArray[np.uint8],
        tables: Tables,
    ) -> Symbols:  # fmt: skip
        """Decode symbols."""
        return self.decoder.symbols(index, tables)

    def decide(self, at: Places, of: Answer, ones: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Decode decisions."""
        return self.decoder.decisions(ones)


class Meter:
    """Counts the bits of every symbol without writing any; `bits` is shaped like the symbols."""

    def __init__(self, y: Symbols) -> None:
        self.y, self.bits = y.ravel(), np.zeros(y.shape)

    def symbols(
        self, at: Places, of: Callable[[Symbols], Symbols], index: NDArray[np.uint8],
        tables: Tables,
    ) -> Symbols:  # fmt: skip
        """Count symbols."""
        s = of(self.y[at])
        self.bits.ravel()[at] += tables.bits(s, index)
        return s

    def decide(self, at: Places, of: Answer, ones: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Count decisions."""
        taken = of(self.y[at])
        self.bits.ravel()[at] += PRECISION - np.log2(
            np.where(taken, ones, (1 << PRECISION) - ones)
        )
        return taken


def walk(
    port: Port, model: Model, tables: Tables, level: int, mu: Symbols, index: NDArray[np.uint8]
) -> Symbols:
    """Pass every symbol through a port, in coding order.

    Shapes: mu, index (C, h, w) to symbols (C, h, w).
    """
    y = np.zeros(index.shape, np.int32)
    known = np.ones_like(index, bool) if model.silent else model.chain.sure[index]
    at = np.flatnonzero(known)
    y.ravel()[at] = port.symbols(at, lambda s: s, index.ravel()[at], tables)
    if known.all():
        return y
    context = Context(level, mu, index, expected_sizes(tables), model.plan)
    for part in context.slices(y, known):
        for phase in part.phases():
            for begin in range(0, phase.shape[1], BATCH):
                places = phase[:, begin : begin + BATCH]
                c, row, column = places
                at = np.ravel_multi_index((c + part.channels.start, row, column), y.shape)
                rows = part.rows(places)
                y.ravel()[at] = one_batch(port, model, at, index.ravel()[at], rows)
    return y


def one_batch(
    port: Port, model: Model, at: Places, index: NDArray[np.uint8], rows: NDArray[np.float32]
) -> Symbols:
    """Pass some symbols through the chain of decisions: places (n,), rows (n, F) to symbols."""
    chain = model.chain
    size = np.zeros(len(at), np.int32)
    positive = np.zeros(len(at), bool)

    def decide(decision: int, among: NDArray[np.intp], of: Answer) -> NDArray[np.bool_]:
        base = chain.base[decision, index[among]].astype(np.int64)
        margin = model.margins(decision, rows[among], base)
        return port.decide(at[among], of, chain.ones(margin))

    among = np.arange(len(at))
    for decision in range(len(DECISIONS)):
        if DECISIONS[decision] == "positive":
            positive[among] = decide(decision, among, lambda s: s > 0)
            continue
        among = among[decide(decision, among, beyond(max(0, decision - 1)))]
        size[among] += 1
    shift = REST + chain.tails.half[index[among]]
    rest = port.symbols(at[among], lambda s: np.abs(s) - shift, index[among], chain.tails)
    size[among] = rest + shift
    if (size[among] < REST).any():  # only what `encode` did not write can say so
        raise BitstreamError("an escaped value contradicts the decisions before it")
    return np.where(positive, size, -size)


def beyond(limit: int) -> Answer:
    """Return the question whether |s| is larger."""
    return lambda s: np.abs(s) > limit


def encode(
    model: Model, tables: Tables, level: int, mu: Symbols, index: NDArray[np.uint8], y: Symbols
) -> tuple[bytes, bytes]:
    """Encode symbols with the help of their neighbours: (data, escapes)."""
    port = Writer(y)
    walk(port, model, tables, level, mu, index)
    return port.encoder.finish()


def decode(
    model: Model, tables: Tables, level: int, mu: Symbols, index: NDArray[np.uint8],
    data: bytes, escapes: bytes,
) -> Symbols:  # fmt: skip
    """Decode what `encode` wrote; raises BitstreamError for what it did not write."""
    port = Reader(data, escapes)
    y = walk(port, model, tables, level, mu, index)
    port.decoder.finish()
    return y


def bits(
    model: Model, tables: Tables, level: int, mu: Symbols, index: NDArray[np.uint8], y: Symbols
) -> NDArray[np.float64]:
    """Return the bits that each symbol takes, (C, h, w), escapes included."""
    port = Meter(y)
    walk(port, model, tables, level, mu, index)
    return port.bits
