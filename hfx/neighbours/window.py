r"""What is known around a symbol when it is coded, as integers: the neighbours' features.

The paper's sample is a window of 7x7 = 49 cells and its absolute location. Here the window lies in
the symbol's own channel; cells not coded yet are missing. Beside the raw cells stand sums over
them and over the channels coded earlier, because one tree then sees in a single question what
would otherwise take it many: how much larger than the hyperprior expected are the neighbours?

.. math:: ratio = \frac{64 \sum |s| + 8}{\sum 64 \, E|s| + 8}

in units of 1/256, over the cells known so far. All of it is integer arithmetic, so that encoder
and decoder build the same rows.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hfx.neighbours.plan import Plan

Grid = NDArray[np.int32]

OWN = ("table", "mean", "quality", "channel", "row", "column")
HYPERPRIOR, POSITION = OWN[:3], OWN[3:]  # of OWN; the paper's s is the position
LARGEST = 1 << 12  # |s| counts as no more: sums stay far below 2^31
RATIO = 256  # units of a ratio
CROSS = [(-1, 0), (1, 0), (0, -1), (0, 1)]
SQUARE = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]


def names(plan: Plan) -> list[str]:
    """Name the features in the order of the columns of `Slice.rows`."""
    rings = [f"ratio {2 * r + 1}x{2 * r + 1}" for r in range(1, plan.window // 2 + 1)]
    window = [
        "ratio cross", *rings, "sum cross", "sum 3x3", "size 3x3", "tables cross"
    ] if plan.window > 1 else []  # fmt: skip
    channels = [
        f"{what} {of} {where}"
        for of in ("earlier", "last")
        for what, where in (("ratio", "here"), ("ratio", "3x3"), ("size", "here"), ("size", "3x3"))
    ]
    same = ["ratio slice here", "ratio slice 3x3"]
    return [*OWN, *window, *channels, *same, *(f"cell {dy:+d} {dx:+d}" for dy, dx in cells(plan))]


def cells(plan: Plan) -> list[tuple[int, int]]:
    """Return the offsets (row, column) of the window's cells; the middle one is never known."""
    reach = range(-(plan.window // 2), plan.window // 2 + 1)
    return [(dy, dx) for dy in reach for dx in reach]


class Context:
    """What is known of a picture while its symbols are coded, slice by slice.

    Args:
        level: Quality level of the file.
        mu: (C, h, w) means, in 2^-ACT_BITS symbols.
        index: (C, h, w) tables.
        expected: (n_tables,) E|s| in 1/64 symbols.
    """

    def __init__(
        self, level: int, mu: Grid, index: NDArray[np.uint8], expected: Grid, plan: Plan
    ) -> None:
        self.level, self.mu, self.index = level, mu, index
        self.expected, self.plan = expected, plan
        place = index.shape[1:]
        # sums over earlier channels of |s| and of 64 E|s|: all, and fading with every slice
        self.earlier = np.zeros((2, *place), np.int64)
        self.last = np.zeros((2, *place), np.int64)

    def slices(self, y: Grid, known: NDArray[np.bool_]) -> Iterator["Slice"]:
        """Yield the slices in coding order; `y` and `known` fill up while they are coded."""
        for channels in self.plan.slices(len(self.index)):
            yield Slice(self, channels, y[channels], known[channels])
            size = np.abs(y[channels].astype(np.int64)).clip(0, LARGEST).sum(0)
            mass = self.expected[self.index[channels]].sum(0, dtype=np.int64)
            sums = np.stack([size, mass])
            self.earlier += sums
            self.last = self.last // 2 + sums


class Slice:
    """A few channels, coded phase by phase.

    Args:
        context: The picture.
        channels: Which channels.
        y: (c, h, w) view of the symbols; read only where known.
        known: (c, h, w) view: which of them are known.
    """

    def __init__(
        self, context: Context, channels: slice, y: Grid, known: NDArray[np.bool_]
    ) -> None:
        self.context, self.channels, self.y, self.known = context, channels, y, known
        self.index, plan = context.index[channels], context.plan
        self.reach = plan.window // 2
        # planes with a margin, so that windows at the edge need no special case; in float32,
        # where whole numbers and their sums are exact up to 2^24
        shape = (len(y), y.shape[1] + 2 * self.reach, y.shape[2] + 2 * self.reach)
        self.cell = np.full(shape, np.nan, np.float32)  # missing where unknown
        self.mass = np.zeros(shape, np.float32)  # 64 E|s| where known
        self.tables = around(self.index, CROSS) if plan.window > 1 else self.index
        self.sums = np.zeros((2, *y.shape[1:]), np.int64)  # of |s| and 64 E|s| over the slice
        self.earlier = [f for sums in (context.earlier, context.last) for f in flat(sums)]
        self.rings = rings(plan)
        self.reveal(known)

    def phases(self) -> Iterator[NDArray[np.intp]]:
        """Yield what remains to be coded, phase by phase: (3, n) channel, row, column."""
        phase = self.context.plan.phase_of(*self.y.shape[1:])
        open_ = ~self.known
        for number in range(self.context.plan.phases):
            told = open_ & (phase == number)
            yield np.stack(np.nonzero(told))
            self.known |= told
            self.reveal(told)

    def reveal(self, told: NDArray[np.bool_]) -> None:
        """Take in symbols that are known from now on."""
        h, w = self.y.shape[1:]
        inner = (slice(None), slice(self.reach, self.reach + h), slice(self.reach, self.reach + w))
        s, mass = self.y.clip(-LARGEST, LARGEST), self.context.expected[self.index]
        np.copyto(self.cell[inner], s, where=told, casting="unsafe")
        np.copyto(self.mass[inner], mass, where=told, casting="unsafe")
        self.sums[0] += np.where(told, np.abs(s), 0).sum(0, dtype=np.int64)
        self.sums[1] += np.where(told, mass, 0).sum(0, dtype=np.int64)
        features = [*self.earlier, *flat(self.sums)[:2]]  # of a place, whatever the channel
        self.places = np.stack(features, -1).astype(np.float32).reshape(h * w, -1)

    def rows(self, at: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the features of symbols: (3, n) places to (n, F), whole numbers below 2^24."""
        c, y, x = at
        plan, here = self.context.plan, np.ravel_multi_index((c, y, x), self.index.shape)
        mean = self.context.mu[self.channels].ravel()[here].clip(-(1 << 23), 1 << 23)
        level = np.full(len(c), self.context.level)
        own = [self.index.ravel()[here], mean, level, c + self.channels.start, y, x]
        window = windows(self.cell, at, plan.window)
        if plan.window > 1:
            value = np.where(np.isnan(window), np.float32(0), window)
            size = total(np.abs(value), self.rings)
            mass = total(windows(self.mass, at, plan.window), self.rings)
            own += [*ratio(size, mass), *total(value, self.rings[:, :2]), size[1]]
            own.append(self.tables.ravel()[here])
        places = self.places[y * self.y.shape[2] + x]
        rows = np.empty((len(c), len(own) + places.shape[1] + window.shape[1]), np.float32)
        for number, values in enumerate(own):
            rows[:, number] = values
        rows[:, len(own) : -window.shape[1]] = places
        rows[:, -window.shape[1] :] = window
        return rows


def flat(sums: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the features of places from sums of |s| and 64 E|s|: (2, h, w) to (h, w) each."""
    wide = around(sums, SQUARE)
    return [ratio(*sums), ratio(*wide), sums[0], wide[0]]


def rings(plan: Plan) -> NDArray[np.float32]:
    """Say which cells each sum is over: the cross, then squares of growing size, (cells, sums)."""
    offsets = np.abs(np.array(cells(plan)))
    sums = [offsets.sum(1) == 1]
    sums += [offsets.max(1) <= reach for reach in range(1, plan.window // 2 + 1)]
    return np.stack(sums, 1).astype(np.float32)


def windows(plane: NDArray[np.float32], at: NDArray[np.intp], side: int) -> NDArray[np.float32]:
    """Cut the windows around places out of a plane with a margin: (3, n) to (n, side^2)."""
    return sliding_window_view(plane, (side, side), (1, 2))[tuple(at)].reshape(-1, side * side)


def total(cells: NDArray[np.float32], rings: NDArray[np.float32]) -> NDArray[np.float64]:
    """Add up the cells of each ring, (n, cells) to (rings, n); exact, being small integers."""
    # torch, because numpy's own product of such a tall matrix takes five times as long; in
    # float64, because float32 products may be rounded to bf16 where someone has allowed it
    return (torch.from_numpy(cells).double() @ torch.from_numpy(rings).double()).numpy().T


def around(planes: NDArray[np.integer], shape: list[tuple[int, int]]) -> NDArray[np.int64]:
    """Add up the places at some offsets, zero beyond the edge: (c, h, w) to (c, h, w)."""
    _, h, w = planes.shape
    wide = np.pad(planes, ((0, 0), (1, 1), (1, 1))).astype(np.int64)
    parts = [wide[:, 1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w] for dy, dx in shape]
    return sum(parts[1:], start=parts[0])


def ratio(size: NDArray, mass: NDArray) -> NDArray[np.int64]:
    """Return how many times larger than expected, in 1/RATIO, at most 2^20."""
    times = RATIO * (64 * size.astype(np.int64) + 8) // (mass.astype(np.int64) + 8)
    return times.clip(0, 1 << 20)
