r"""KNN as the neighbour model (the paper's reference [60]): whoever looked alike has a vote.

Every feature is cut into a few bins, so that a symbol's features are a cell of a small grid. A
reference point is such a cell, with the training windows that lie nearest to it: how many they
are, n, of how many of them the answer was yes, and of how many the hyperprior had expected it.
At coding time the k nearest reference points vote, and so does the hyperprior, whose frequency of
yes is f, with the weight of kappa windows:

.. math:: \mathrm{share}(v) = \frac{2^{24} \sum v + \kappa f}{\sum n + \kappa}, \quad
          m = m_0 + \mathrm{logit}(\mathrm{share}(yes)) - \mathrm{logit}(\mathrm{share}(expected))

Both shares are of the same windows, so what makes those unlike the symbol at hand cancels, and
what remains is how wrong the hyperprior is in such places. (The votes alone,
m = logit(share(yes)), save a little less, and much less where bins are coarse.)

Why two machines cannot disagree
--------------------------------
Bins and scales are integers, hence so are squared distances. The grid is spread apart by the
number of points N, and each point p gets one more coordinate, a number e_p of its own, where the
symbol at hand has 0:

.. math:: d = N^2 \sum_j (x_j - p_j)^2 + e_p^2, \quad 0 \le e_p < N

No two points are at the same distance and the nearer one stays nearer, so the k nearest are one
set, whichever algorithm finds it. All d are below 2^50, hence exact in float64 in any order of
summation, with room for a search that bounds them less exactly. The logit is the chain's sigmoid,
read backwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from hfx.entropy.pmf import PRECISION
from hfx.neighbours.chain import DECISIONS, WHOLE, Chain
from hfx.neighbours.plan import Plan
from hfx.neighbours.window import names

VOTE_BITS = 8
VOTE = 1 << VOTE_BITS  # units of a vote: the hyperprior expects fractions
WINDOWS = 1 << 22  # a point stands for no more
NEIGHBOURS = 1 << 8  # no more are asked
CELLS = 1 << 20  # a grid has no more: 24 bytes each are remembered
NEVER = (1 << 31) - 1  # an edge that no value reaches
SCRAMBLE = 0x9E3779B1  # odd, so that multiplying by it shuffles the numbers below a power of two
MANY = 1 << 9  # questions from which on a second thread pays
PARTS = ("edges", "scale", "at", "votes")  # of `Points`, in a file


@dataclass(frozen=True, eq=False)
class Points:
    """The reference points of one decision: N of them, in F features of B bins or fewer.

    Attributes:
        edges: (F, B - 1), int32, where each next bin begins, rising, then NEVER. Features of a
            single bin are not looked at.
        scale: (F,), int32, how far apart bins lie.
        at: (N, F), uint8, the bins of each point; no two points are in the same cell.
        votes: (N, 3), int32: windows that each stands for; yes and expected yes, in 1/VOTE.
        algorithm: How scikit-learn searches: decides how long it takes, and nothing else.

    Raises:
        ValueError: shapes or values are not those of reference points.
    """

    edges: NDArray[np.int32]
    scale: NDArray[np.int32]
    at: NDArray[np.uint8]
    votes: NDArray[np.int32]
    algorithm: str = "kd_tree"

    def __post_init__(self) -> None:
        arrays = (self.edges, self.scale, self.at, self.votes)
        if [a.dtype for a in arrays] != [np.int32, np.int32, np.uint8, np.int32]:
            raise ValueError("points: int32, int32, uint8 and int32 are needed")
        if [a.ndim for a in arrays] != [2, 1, 2, 2]:
            raise ValueError("points: edges, at and votes are tables, scale is a row")
        n, f = len(self.at), len(self.scale)
        if self.at.shape != (n, f) or self.votes.shape != (n, 3) or len(self.edges) != f:
            raise ValueError("points: shapes do not match")
        if self.edges.shape[1] > 255:
            raise ValueError("points: a feature has at most 256 bins")
        if (np.diff(self.edges.astype(np.int64), axis=1) < 0).any() or (self.scale < 0).any():
            raise ValueError("points: edges must rise, scales must not be negative")
        if (self.at >= self.bins).any() or self.cells > CELLS:
            raise ValueError(f"points: one is beyond its bins, or there are over {CELLS} cells")
        if len(np.unique(self.cell(self.at))) != n:
            raise ValueError("points: two are in the same cell")
        count, *votes = self.votes.astype(np.int64).T
        if (count < 1).any() or (count > WINDOWS).any():
            raise ValueError(f"points: each must stand for 1 to {WINDOWS} windows")
        if any((v < 0).any() or (v > VOTE * count).any() for v in votes):
            raise ValueError("points: there must be no more votes than windows")
        wide = sum(
            (int(b) - 1) ** 2 * int(s) ** 2 for b, s in zip(self.bins, self.scale, strict=True)
        )
        if 4 * n**2 * (wide + 1) >= 1 << 50:
            raise ValueError("points: too many, or too far apart, for exact distances")

    def __len__(self) -> int:
        return len(self.at)

    @cached_property
    def bins(self) -> NDArray[np.int64]:
        """How many bins each feature has, (F,)."""
        return 1 + (self.edges < NEVER).sum(1)

    @cached_property
    def cells(self) -> int:
        """How many cells the grid has."""
        return int(np.prod(self.bins.astype(object)))

    def cell(self, bins: NDArray[np.integer]) -> NDArray[np.int64]:
        """Number the cells of the grid: (n, F) bins to (n,)."""
        digits = np.cumprod(np.append(1, self.bins))[:-1]
        return bins.astype(np.int64) @ digits.astype(np.int64)

    def bin(self, rows: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Cut features into bins, (n, F) to (n, F); what is missing falls into the last one."""
        bins = np.zeros(rows.shape, np.uint8)
        for j in np.flatnonzero(self.bins > 1):
            edges = self.edges[j, : self.bins[j] - 1].astype(np.float64)
            bins[:, j] = np.searchsorted(edges, rows[:, j], side="right")
        return bins

    @cached_property
    def tie_breakers(self) -> NDArray[np.int64]:
        """Give every point a number from 0 to N - 1 by its cell, in no spatial order, (N,)."""
        shuffled = self.cell(self.at) * SCRAMBLE % CELLS
        return np.argsort(np.argsort(shuffled))

    def place(self, bins: NDArray[np.uint8], last: NDArray[np.int64]) -> NDArray[np.float64]:
        """Put bins where distances are measured: (n, F) and the last coordinate to (n, F' + 1)."""
        used = np.flatnonzero((self.bins > 1) & (self.scale > 0))
        spread = bins[:, used] * self.scale[used].astype(np.int64) * len(self)
        return np.column_stack([spread, last]).astype(np.float64)

    @cached_property
    def index(self) -> NearestNeighbors:
        """The points, ready to be searched."""
        index = NearestNeighbors(algorithm=self.algorithm, metric="euclidean")
        return index.fit(self.place(self.at, self.tie_breakers))

    def nearest(self, bins: NDArray[np.uint8], k: int) -> NDArray[np.int64]:
        """Return the k nearest points (or all) of some cells, (n, F) to (n, k)."""
        threads = torch.get_num_threads() if len(bins) >= MANY else 1
        index = self.index.set_params(n_jobs=threads)
        queries = self.place(bins, np.zeros(len(bins), np.int64))
        return index.kneighbors(queries, min(k, len(self)), return_distance=False)


@dataclass(frozen=True, eq=False)
class Nearest:
    """A neighbour model of k nearest neighbours.

    Attributes:
        plan: Order and window it was fitted for.
        chain: The hyperprior's side of the decisions.
        points: The reference points of each decision.
        k: How many of them vote.
        kappas: How many windows the hyperprior's vote weighs, for each decision.
        columns: Which features the points know, None: all.

    Raises:
        ValueError: numbers out of range, or features and points do not match.
    """

    plan: Plan
    chain: Chain
    points: tuple[Points, ...]
    k: int
    kappas: tuple[int, ...]
    columns: tuple[int, ...] | None = None
    kind: str = field(default="knn", init=False)

    def __post_init__(self) -> None:
        if not 1 <= self.k <= NEIGHBOURS or not all(1 <= kappa <= NEVER for kappa in self.kappas):
            raise ValueError(f"k must be 1 to {NEIGHBOURS}, kappa 1 to 2^31 - 1")
        if not len(self.points) == len(self.kappas) == len(DECISIONS):
            raise ValueError(f"points and kappas are needed for {len(DECISIONS)} decisions")
        known = range(len(names(self.plan)))
        columns = tuple(known) if self.columns is None else self.columns
        if not set(columns) <= set(known) or {len(p.scale) for p in self.points} != {len(columns)}:
            raise ValueError("reference points and features do not match")

    @cached_property
    def silent(self) -> bool:
        """Whether there is not a single reference point."""
        return not any(map(len, self.points))

    @cached_property
    def memory(self) -> list[NDArray[np.int64]]:
        """The votes of every cell ever asked about, (cells, 3); of no windows where not yet."""
        return [np.zeros((points.cells, 3), np.int64) for points in self.points]

    def votes(self, decision: int, rows: NDArray[np.float32]) -> NDArray[np.int64]:
        """Add up the k nearest points' votes: (n, F) features to (n, 3), as `Points.votes`."""
        points, memory = self.points[decision], self.memory[decision]
        bins = points.bin(rows if self.columns is None else rows[:, self.columns])
        cells = points.cell(bins)
        new, first = np.unique(np.where(memory[cells, 0], -1, cells), return_index=True)
        new, first = new[new >= 0], first[new >= 0]
        if len(new) and len(points):
            found = points.votes[points.nearest(bins[first], self.k)].sum(1, dtype=np.int64)
            memory[new, 1:] = found[:, 1:]
            memory[new, 0] = found[:, 0]  # last, for another thread may be reading
        return memory[cells]

    def margins(
        self, decision: int, rows: NDArray[np.float32], base: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Correct the base margins by what the nearest points say: see `coding.Model`."""
        if not len(rows) or not len(self.points[decision]):
            return base
        return mixed(self.chain, base, self.votes(decision, rows), self.kappas[decision])

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Name what a file must hold."""
        rule = np.array([self.k, *self.kappas], np.int32)
        arrays: dict[str, NDArray[np.generic]] = {"rule": rule}
        for i, points in enumerate(self.points):
            arrays |= {f"points.{i}.{name}": getattr(points, name) for name in PARTS}
        return arrays

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[np.generic]], plan: Plan, chain: Chain,
        columns: tuple[int, ...] | None,
    ) -> "Nearest":  # fmt: skip
        """Rebuild from `to_arrays`; raises KeyError or ValueError."""
        rule = arrays["rule"]
        if rule.shape != (1 + len(DECISIONS),) or rule.dtype != np.int32:
            raise ValueError("k and a kappa for each decision are needed")
        points = tuple(
            Points(*(cast(Any, arrays[f"points.{i}.{name}"]) for name in PARTS))
            for i in range(len(DECISIONS))
        )
        k, *kappas = rule.tolist()
        return cls(plan, chain, points, k, tuple(kappas), columns)


def mixed(
    chain: Chain, base: NDArray[np.int64], votes: NDArray[np.int64], kappa: int
) -> NDArray[np.int64]:
    """Mix votes with the hyperprior's: (n,) base margins, (n, 3) votes to (n,) margins."""
    count, yes, expected = votes.T
    prior = kappa * chain.ones(base).astype(np.int64)
    shares = [((v << PRECISION - VOTE_BITS) + prior) // (count + kappa) for v in (yes, expected)]
    found, foreseen = (logit(share, chain.sigmoid) for share in shares)
    return base + found - foreseen


def logit(shares: NDArray[np.int64], sigmoid: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the margin whose frequency of yes is nearest from below, away from 1/2 the same."""
    steps = np.searchsorted(sigmoid, np.maximum(shares, WHOLE - shares), side="right") - 1
    return np.where(2 * shares < WHOLE, -steps, steps)
