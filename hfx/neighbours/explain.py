r"""What a neighbour model does, made visible: bits per symbol, and everything about one symbol.

.. math:: bits(s) = -\log_2 P(s), \quad
          \sum_{y} bits + \sum_{z} bits = 8 \cdot bytes \; \text{of the file, but for its header}

Nothing is coded anew here: the walk of `coding` is watched. How trees came to their answers is
told by `trees`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hfx.codec import Codec, Latents
from hfx.entropy.fixedpoint import ACT_BITS
from hfx.entropy.pmf import Tables
from hfx.entropy.scales import scale_table
from hfx.neighbours import coding
from hfx.neighbours.chain import DECISIONS, REST, WHOLE, Chain
from hfx.neighbours.coding import Answer, Model, Places, Symbols
from hfx.neighbours.plan import Plan
from hfx.neighbours.samples import Windows
from hfx.neighbours.window import names

REACH = 8
SHOWN = np.arange(-REACH, REACH + 1)
"""The symbols whose probabilities are laid out."""


@dataclass(frozen=True, eq=False)
class BitMap:
    """What every symbol of a file costs.

    Attributes:
        y: (C, h, w) bits.
        z: (C_z, h/4, w/4) bits.
    """

    y: NDArray[np.float64]
    z: NDArray[np.float64]

    @property
    def total(self) -> float:
        """Bits of all symbols; the file has its header beside them."""
        return float(self.y.sum() + self.z.sum())


@dataclass(frozen=True)
class Decision:
    """One yes-or-no decision about a symbol.

    Attributes:
        name: Its name in `chain.DECISIONS`.
        before: The hyperprior's margin of yes, in 1/GRID nats.
        after: The margin with the neighbours.
        p_before, p_after: Probability of yes by each.
        answer: What the symbol answered; None: earlier answers had made the question idle.
    """

    name: str
    before: int
    after: int
    p_before: float
    p_after: float
    answer: bool | None


@dataclass(frozen=True, eq=False)
class Symbol:
    """Everything about one symbol of y.

    Attributes:
        value: The symbol s.
        mu, sigma: The hyperprior's mean and width of y, in symbols.
        window: (side, side) neighbours as known when this one was coded; nan: not known yet.
        features: All that the neighbour model saw, by name; empty where it was not asked.
        row: The same as (F,), for `trees.path`; None where it was not asked.
        hyperprior: (17,) probabilities of `SHOWN` by the hyperprior alone.
        neighbours: (17,) the same with the neighbours.
        decisions: All decisions; none where the neighbours were not asked.
        bits_before, bits_after: What the symbol costs by each.
    """

    value: int
    mu: float
    sigma: float
    window: NDArray[np.float32]
    features: dict[str, float]
    row: NDArray[np.float32] | None
    hyperprior: NDArray[np.float64]
    neighbours: NDArray[np.float64]
    decisions: tuple[Decision, ...]
    bits_before: float
    bits_after: float


def bits_of(codec: Codec, latents: Latents, kind: str = "none") -> BitMap:
    """Return the bits of every symbol of y and z, coded with "none", "knn" or "xgb".

    Raises:
        HfxError: there is no such kind, or no model of it.
    """
    prior = codec.weights.prior
    index_z = prior.expect_z(latents.level, latents.z.shape[1:])
    z = prior.tables_z.bits(latents.z, index_z)
    model = _model(codec, kind)
    if model is None:
        return BitMap(prior.tables_y.bits(latents.y, latents.index), z)
    return BitMap(coding.bits(model, prior.tables_y, *latents.side, latents.y), z)


def one_symbol(
    codec: Codec, latents: Latents, kind: str, channel: int, row: int, column: int
) -> Symbol:
    """Tell everything about one symbol of y, as it stood when its turn came.

    Args:
        codec: The weights and their neighbour models.
        latents: A quantised picture.
        kind: "none", "knn" or "xgb".
        channel, row, column: Which symbol, each counted from 0.

    Raises:
        HfxError: there is no such kind, or no model of it.
        ValueError: there is no such symbol.
    """
    model, tables = _model(codec, kind), codec.weights.prior.tables_y
    place = int(np.ravel_multi_index((channel, row, column), latents.y.shape))
    s, index = latents.y.ravel()[place : place + 1], latents.index.ravel()[place : place + 1]
    plan = model.plan if model else Plan()
    alone = by_tables(tables, int(index[0]))
    before = float(tables.bits(s, index)[0])
    known = None if model is None else _row(model, tables, latents, place)
    window = np.full((plan.window, plan.window), np.nan, np.float32)
    together, after, decisions = alone, before, list[Decision]()

    if model is not None and known is not None:
        window = known[-(plan.window**2) :].reshape(window.shape)
        base = model.chain.base[:, index[0]].astype(np.int64)
        margins = np.concatenate(
            [model.margins(d, known[None], base[d : d + 1]) for d in range(len(DECISIONS))]
        )
        together = by_chain(model.chain, int(index[0]), margins)
        meter = coding.Meter(s)
        coding.one_batch(meter, model, np.array([0]), index, known[None])
        after = float(meter.bits[0])
        p = np.stack([model.chain.ones(base), model.chain.ones(margins)]) / WHOLE
        sample = Windows(known[None], s, index)
        for d, name in enumerate(DECISIONS):
            asked, answers = sample.asked(d)
            answer = bool(answers[0]) if asked[0] else None
            p_before, p_after = p[:, d].tolist()
            decisions.append(
                Decision(name, int(base[d]), int(margins[d]), p_before, p_after, answer)
            )

    return Symbol(
        value=int(s[0]),
        mu=float(latents.mu.ravel()[place] * 2.0**-ACT_BITS),
        sigma=float(scale_table()[index[0]]),
        window=window,
        features={} if known is None else dict(zip(names(plan), known.tolist(), strict=True)),
        row=known,
        hyperprior=alone,
        neighbours=together,
        decisions=tuple(decisions),
        bits_before=before,
        bits_after=after,
    )


def by_tables(tables: Tables, index: int) -> NDArray[np.float64]:
    """Return the probabilities of `SHOWN` under a table, (17,); beyond it they are 0."""
    half = int(tables.half[index])
    inside = np.abs(SHOWN) <= half
    slots = np.where(inside, SHOWN + half, 0)
    return np.where(inside, tables.frequencies[index, slots], 0) / WHOLE


def by_chain(chain: Chain, index: int, margins: NDArray[np.int64]) -> NDArray[np.float64]:
    r"""Return the probabilities of `SHOWN` by the chain of decisions, (17,).

    .. math:: P(|s| = k) = P(|s| \le k \,|\, |s| \ge k) \prod_{j < k} P(|s| > j \,|\, |s| \ge j)

    Args:
        chain: The model's.
        index: The symbol's table, for the sizes from REST up.
        margins: (decisions,), in 1/GRID nats.
    """
    yes = chain.ones(margins) / WHOLE
    more = np.delete(yes, DECISIONS.index("positive"))  # P(|s| > k given |s| >= k), k = 0 ..
    reached = np.cumprod([1.0, *more])  # P(|s| >= k), k = 0 .. REST
    half = int(chain.tails.half[index])
    tail = chain.tails.frequencies[index, : 2 * half + 1] / WHOLE  # larger ones are escapes
    sizes = np.zeros(max(REACH, REST + 2 * half) + 1)
    sizes[:REST] = reached[:-1] * (1 - more)
    sizes[REST : REST + len(tail)] = reached[-1] * tail
    positive = yes[DECISIONS.index("positive")]
    sign = np.select([SHOWN > 0, SHOWN < 0], [positive, 1 - positive], 1.0)
    return sign * sizes[np.abs(SHOWN)]


class _Found(Exception):  # noqa: N818
    """The turn of the symbol looked for has come; carries its features."""

    def __init__(self, row: NDArray[np.float32]) -> None:
        super().__init__()
        self.row = row


class _Watcher:
    """Stands in for both model and port of a walk until one place is asked about.

    The symbols are given, so no margin matters on the way there: none is computed.
    """

    def __init__(self, model: Model, y: Symbols, place: int) -> None:
        self.kind, self.plan, self.chain, self.silent = (
            model.kind, model.plan, model.chain, model.silent,
        )  # fmt: skip
        self.y, self.place = y.ravel(), place
        self.rows = np.zeros((0, 0), np.float32)

    def margins(
        self, decision: int, rows: NDArray[np.float32], base: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Keep the features of those who are asked next."""
        self.rows = rows
        return base

    def symbols(
        self, at: Places, of: Callable[[Symbols], Symbols], index: NDArray[np.uint8],
        tables: Tables,
    ) -> Symbols:  # fmt: skip
        """Answer with the given symbols."""
        return of(self.y[at])

    def decide(self, at: Places, of: Answer, ones: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Answer with the given symbols, or end the walk."""
        hits = np.flatnonzero(at == self.place)
        if len(hits):
            raise _Found(self.rows[hits[0]].copy())
        return of(self.y[at])


def _model(codec: Codec, kind: str) -> Model | None:
    """Return the model of a kind; None for "none"."""
    if codec.models.choose(kind) == "none":
        return None
    model: Model = codec.models.get(kind)[1]
    return model


def _row(model: Model, tables: Tables, latents: Latents, place: int) -> NDArray[np.float32] | None:
    """Return a symbol's features when its turn comes; None where neighbours are not asked."""
    watcher = _Watcher(model, latents.y, place)
    try:
        coding.walk(watcher, watcher, tables, *latents.side)
    except _Found as found:
        return found.row
    return None
