"""Training samples of a neighbour model: latents of pictures, windows drawn from them."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hfx.codec import Codec, Latents
from hfx.entropy import coder
from hfx.entropy.pmf import Tables
from hfx.errors import HfxError
from hfx.image import load
from hfx.neighbours import coding
from hfx.neighbours.chain import DECISIONS, Chain, expected_sizes
from hfx.neighbours.plan import Plan
from hfx.neighbours.window import Context

LEVELS = (-128, 640)  # quality levels drawn from: half a tier below low to half above high


@dataclass(frozen=True, eq=False)
class Windows:
    """Training samples: the features, the symbol in the middle, its table.

    Shapes: rows (n, F) float32, symbols (n,) int32, index (n,) uint8.
    """

    rows: NDArray[np.float32]
    symbols: NDArray[np.int32]
    index: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.symbols)

    def asked(self, decision: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which samples a decision is asked of, (n,), and the answers of those."""
        size = np.abs(self.symbols)
        if DECISIONS[decision] == "positive":
            return size > 0, self.symbols[size > 0] > 0
        k = max(0, decision - 1)
        asked = size >= k if k else np.ones(len(size), bool)
        return asked, size[asked] > k


@dataclass
class Report:
    """What held-out symbols cost.

    Attributes:
        before, after: Bits of every decision, by the hyperprior and with the trees.
        rounds: Trees kept of every decision.
        windows: Training samples.
    """

    windows: int
    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)

    @property
    def saved(self) -> float:
        """Share of the bits of all decisions that is saved."""
        before = sum(self.before)
        return 1 - sum(self.after) / before if before else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        values = asdict(self)
        for key in ("before", "after"):
            values[key] = [round(v) for v in values[key]]
        return values


def latents_of(
    codec: Codec,
    pictures: Sequence[NDArray[np.uint8]],
    seed: int = 0,
    step: Callable[[], None] = lambda: None,
) -> list[Latents]:
    """Analyse and quantise pictures, each at a quality level drawn at random."""
    rng, latents = np.random.default_rng(seed), []
    for picture in pictures:
        level = int(rng.integers(*LEVELS))
        latents.append(codec.quantize(codec.analyse(load(picture)), level))
        step()
    return latents


def windows_of(
    latents: Sequence[Latents], tables: Tables, plan: Plan, chain: Chain, count: int, seed: int = 0
) -> Windows:
    """Draw about `count` windows, evenly over all symbols that neighbours are asked about."""
    rng = np.random.default_rng(seed)
    open_ = [int((~chain.sure[one.index]).sum()) for one in latents]
    share = min(1.0, count / max(1, sum(open_)))
    expected = expected_sizes(tables)
    parts: list[tuple[NDArray, NDArray, NDArray]] = []
    for one in latents:
        known = chain.sure[one.index]
        context = Context(one.level, one.mu, one.index, expected, plan)
        for part in context.slices(one.y, known):
            for phase in part.phases():
                at = phase[:, rng.random(phase.shape[1]) < share]
                if at.shape[1]:
                    parts.append((part.rows(at), part.y[tuple(at)], part.index[tuple(at)]))
    if not parts:
        raise HfxError("these pictures have no symbols to learn from")
    windows = Windows(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    if len(windows) <= count:
        return windows
    chosen = np.sort(rng.choice(len(windows), count, replace=False))
    return Windows(windows.rows[chosen], windows.symbols[chosen], windows.index[chosen])


def bytes_of(codec: Codec, model: coding.Model, latents: Sequence[Latents]) -> tuple[int, int]:
    """Return the bytes that y of some pictures takes without and with a model."""
    before = after = 0
    tables = codec.weights.prior.tables_y
    for one in latents:
        before += sum(map(len, coder.encode(one.y.ravel(), one.index.ravel(), tables)))
        after += sum(map(len, coding.encode(model, tables, *one.side, one.y)))
    return before, after


def cost(margin: NDArray[np.floating], answers: NDArray[np.bool_]) -> float:
    """Return the bits of answers under margins in nats: L, in the place of Eq. 3's squares."""
    return float(np.logaddexp(0, np.where(answers, -margin, margin)).sum() / np.log(2))
