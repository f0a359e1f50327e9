"""From training windows to a KNN model: features are binned, reference points drawn, votes cast.

A point is drawn where training windows are, so where they are dense, points are. Then each window
votes at the point nearest to it: all of them count, though only the points are kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hfx.entropy.pmf import Tables
from hfx.errors import HfxError
from hfx.neighbours.chain import DECISIONS, GRID, WHOLE, Chain
from hfx.neighbours.nearest import NEIGHBOURS, NEVER, VOTE, Nearest, Points, mixed
from hfx.neighbours.plan import Plan
from hfx.neighbours.samples import Report, Windows, cost
from hfx.neighbours.window import names

LIKENESS: dict[str, dict[str, tuple[int, int]]] = {
    "not zero": {
        "ratio last here": (12, 2),
        "ratio 7x7": (8, 2),
        "ratio 3x3": (8, 1),
        "table": (12, 2),
        "channel": (12, 1),
    },
    "positive": {
        "sum cross": (24, 3),
        "sum 3x3": (24, 1),
        "table": (12, 1),
        "channel": (32, 3),
    },
    "beyond": {
        "table": (12, 2),
        "ratio 7x7": (8, 2),
        "ratio 3x3": (8, 1),
        "size 3x3": (8, 1),
        "channel": (8, 1),
    },
}
"""In what symbols are alike, by decision: bins of each feature, and how far apart they lie."""


@dataclass(frozen=True)
class Votes:
    """Who votes, and with what weight.

    Attributes:
        k: Reference points that vote.
        points: Reference points a decision, at most.
        kappas: Weights of the hyperprior's vote to choose from, in windows; the first counts
            where no windows are held out.
        seed: Of the points drawn.

    Raises:
        HfxError: a number out of range.
    """

    k: int = 8
    points: int = 8000
    kappas: tuple[int, ...] = (8, 2, 32, 128, 512, 1 << 11, 1 << 13)
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.k <= NEIGHBOURS:
            raise HfxError(f"from 1 to {NEIGHBOURS} neighbours can vote, not {self.k}")
        if self.points < 0 or not self.kappas or not all(1 <= k <= NEVER for k in self.kappas):
            raise HfxError("points cannot be negative, kappas must be positive and below 2^31")


def fit_nearest(
    tables: Tables,
    plan: Plan,
    train: Windows,
    held: Windows,
    votes: Votes | None = None,
    without: Sequence[str] = (),
    step: Callable[[], None] = lambda: None,
) -> tuple[Nearest, Report]:
    """Fit reference points for each decision; the report counts them where trees have rounds.

    Args:
        tables: The hyperprior's tables of y.
        plan: Order and window that the windows were drawn with.
        train: Whose votes the points cast.
        held: What chooses kappa.
        votes: How many neighbours, and what their votes weigh.
        without: Features withheld, by name.
        step: Called after each decision.
    """
    votes, chain = votes or Votes(), Chain.of(tables)
    used = {name for likeness in LIKENESS.values() for name in likeness} - set(without)
    columns = tuple(i for i, name in enumerate(names(plan)) if name in used)
    fitted = []
    for decision in range(len(DECISIONS)):
        asked, answers = train.asked(decision)
        expected = chain.ones(chain.base[decision, train.index[asked]].astype(np.int64))
        rows = train.rows[asked][:, columns]
        alike = LIKENESS[DECISIONS[decision].rstrip(" 0123456789")]
        likeness = [alike.get(names(plan)[i], (1, 0)) for i in columns]
        fitted.append(points_of(rows, answers, expected, likeness, votes))
        step()
    model = Nearest(plan, chain, tuple(fitted), votes.k, votes.kappas[:1] * len(fitted), columns)
    report, kappas = Report(len(train)), list[int]()
    for decision in range(len(DECISIONS)):
        asked, answers = held.asked(decision)
        base = chain.base[decision, held.index[asked]].astype(np.int64)
        counted = model.votes(decision, held.rows[asked])
        costs = [cost(mixed(chain, base, counted, k) / GRID, answers) for k in votes.kappas]
        kappas.append(votes.kappas[int(np.argmin(costs))])
        report.before.append(cost(base / GRID, answers))
        report.after.append(min(costs))
        report.rounds.append(len(fitted[decision]))
    return replace(model, kappas=tuple(kappas)), report


def points_of(
    rows: NDArray[np.float32], answers: NDArray[np.bool_], expected: NDArray[np.int32],
    likeness: Sequence[tuple[int, int]], votes: Votes,
) -> Points:  # fmt: skip
    """Draw the points of one decision and let the windows vote.

    Shapes: rows (n, F), answers (n,), expected (n,) frequencies of yes, of 2^24; likeness F pairs.
    """
    edges = edges_of(rows, [bins for bins, _ in likeness])
    scale = np.array([scale for _, scale in likeness], np.int32)
    nothing = np.zeros((0, 3), np.int32)
    grid = Points(edges, scale, np.zeros((0, len(scale)), np.uint8), nothing)
    bins = grid.bin(rows)
    _, first, cell = np.unique(grid.cell(bins), return_index=True, return_inverse=True)
    drawn = np.random.default_rng(votes.seed).permutation(len(rows))[: votes.points]
    at = bins[first[np.unique(cell[drawn])]]
    if not len(at):
        return grid
    mute = Points(edges, scale, at, np.ones((len(at), 3), np.int32))
    near = mute.nearest(bins[first], 1)[:, 0][cell]
    counted = [
        np.bincount(near, weights, len(at))
        for weights in (np.ones(len(rows)), answers * float(VOTE), expected * (VOTE / WHOLE))
    ]
    return Points(edges, scale, at, np.rint(np.stack(counted, 1)).astype(np.int32))


def edges_of(rows: NDArray[np.float32], bins: Sequence[int]) -> NDArray[np.int32]:
    """Cut every feature into about equally full bins: (n, F) to (F, B - 1), see `Points`."""
    edges = np.full((len(bins), max(bins, default=1) - 1), NEVER, np.int32)
    for row, values, count in zip(edges, rows.T, bins, strict=True):
        if count > 1 and len(values):
            cuts = np.quantile(values, np.arange(1, count) / count, method="nearest")
            cuts = np.unique(cuts[cuts > values.min()])
            row[: len(cuts)] = cuts
    return edges
