r"""The interval that the range coder takes for a symbol, cut by cut.

A range coder keeps an interval within [0, 1) and narrows it with every symbol to the part that
belongs to it; the file is one number inside the last interval, hence

.. math:: [l, l + w) \to \left[l + w \frac{low}{2^{24}}, \; l + w \frac{high}{2^{24}}\right), \quad
          bits = -\log_2 \frac{high - low}{2^{24}}

A symbol under the hyperprior alone is one cut, by its table; with a neighbour model it is a cut
for each decision of the chain. As in `explain`, nothing is coded anew: `coding` is watched.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from hfx.codec import Codec, Latents
from hfx.entropy.pmf import Tables, escape_codes, escape_sizes
from hfx.neighbours import coding
from hfx.neighbours.chain import DECISIONS, REST, WHOLE
from hfx.neighbours.coding import Answer, Places, Symbols
from hfx.neighbours.explain import Symbol

WAYS = ("no", "yes")  # of a decision, in the coder's order
BY_TABLE = "symbol"
BY_TAIL = "size"  # of those from REST up
ESCAPE = "escape"


@dataclass(frozen=True, eq=False)
class Cut:
    """One cut of the coder's interval into parts, and the part that was taken.

    Attributes:
        name: A name of `chain.DECISIONS`, or `BY_TABLE` or `BY_TAIL`.
        parts: What each part stands for: `WAYS`, or symbols and the escape.
        edges: (parts + 1,), where they lie, from 0 to 2^24.
        taken: Which part was taken.
        escaped: Bytes written beside the range coder, for symbols beyond the table.
    """

    name: str
    parts: tuple[str, ...]
    edges: NDArray[np.int64]
    taken: int
    escaped: int = 0

    @property
    def low(self) -> int:
        """Where the part taken begins, of 2^24."""
        return int(self.edges[self.taken])

    @property
    def high(self) -> int:
        """Where it ends, exclusive."""
        return int(self.edges[self.taken + 1])

    @property
    def p(self) -> float:
        """Its share: the probability of what was coded."""
        return (self.high - self.low) / WHOLE

    @property
    def bits(self) -> float:
        """What it costs, an escape's bytes included."""
        return -math.log2(self.p) + 8 * self.escaped


def cuts_of(
    codec: Codec, latents: Latents, kind: str, place: tuple[int, int, int], symbol: Symbol
) -> list[Cut]:
    """Return the cuts that code one symbol of y, in coding order.

    Args:
        codec: The weights and their neighbour models.
        latents: A quantised picture.
        kind: "none", "knn" or "xgb".
        place: Channel, row, column.
        symbol: What `explain.one_symbol` says of it, for the same kind.
    """
    at = np.ravel_multi_index(place, latents.y.shape)
    index = latents.index.ravel()[at : at + 1]
    port = _Recorder(latents.y.ravel()[at : at + 1])
    here = np.zeros(1, np.intp)
    if symbol.row is None:
        port.symbols(here, lambda s: s, index, codec.weights.prior.tables_y)
    else:
        model = codec.models.get(kind)[1]
        coding.one_batch(port, model, here, index, symbol.row[None])
    return port.cuts


def interval(cuts: Sequence[Cut]) -> tuple[Fraction, Fraction]:
    """Return beginning and width of what is left of [0, 1) after some cuts, exactly."""
    low, width = Fraction(0), Fraction(1)
    for cut in cuts:
        low += width * Fraction(cut.low, WHOLE)
        width *= Fraction(cut.high - cut.low, WHOLE)
    return low, width


class _Recorder:
    """A port that keeps the cuts of one symbol."""

    def __init__(self, s: Symbols) -> None:
        self.s, self.cuts, self.names = s, list[Cut](), list(DECISIONS)

    def symbols(
        self, at: Places, of: Callable[[Symbols], Symbols], index: NDArray[np.uint8],
        tables: Tables,
    ) -> Symbols:  # fmt: skip
        """Keep the cut by a table."""
        s = of(self.s[at])
        for value, row in zip(s.tolist(), index.tolist(), strict=True):
            half, asked = int(tables.half[row]), bool(self.cuts)
            edges = np.cumsum([0, *tables.frequencies[row, : 2 * half + 2].tolist()])
            shift = REST + half if asked else 0  # tables of the tail are shifted to be symmetric
            parts = (*(str(k + shift) for k in range(-half, half + 1)), ESCAPE)
            inside = abs(value) <= half
            code = escape_codes(np.array([value]), np.array([half]))
            escaped = 0 if inside else int(escape_sizes(code)[0])
            name, taken = BY_TAIL if asked else BY_TABLE, value + half if inside else 2 * half + 1
            self.cuts.append(Cut(name, parts, edges, taken, escaped))
        return s

    def decide(self, at: Places, of: Answer, ones: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Keep the cut of a decision."""
        taken = of(self.s[at])
        name = self.names.pop(0)
        for way, one in zip(taken.tolist(), ones.tolist(), strict=True):
            self.cuts.append(Cut(name, WAYS, np.array([0, WHOLE - one, WHOLE]), int(way)))
        return taken
