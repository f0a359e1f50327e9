r"""A symbol as a chain of yes-or-no decisions, all in integers, as arithmetic coders like it.

    s = 0? --no--> s > 0? --> |s| > 1? --yes--> ... |s| > 4? --yes--> the rest, by the hyperprior

The hyperprior alone answers every question already: its table says with what probability the
answer is yes, and the logarithm of the odds of that is the base margin from which a neighbour
model starts,

.. math:: m_0(d, t) = \ln \frac{P_t(\text{yes to } d)}{P_t(\text{no to } d)}, \quad
          P(\text{yes}) = \sigma(m_0 + \text{what the neighbours add})

Margins are integers in units of 1 / GRID nats. The two places where a logarithm and an exponential
would be needed, m_0 and the sigmoid, are tables: made once, when a model is fitted, and stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hfx.entropy.pmf import PRECISION, Tables

DECISIONS = ("not zero", "positive", "beyond 1", "beyond 2", "beyond 3", "beyond 4")
REST = len(DECISIONS) - 1  # the smallest |s| that the chain leaves to the tail
GRID = 1 << 10
STEEPEST = 12  # nats: surer than 1 - 6e-6 nothing is
WHOLE = 1 << PRECISION
SURE = WHOLE - (WHOLE >> 8)  # frequency of zero from which neighbours would not pay their time


@dataclass(frozen=True, eq=False)
class Chain:
    """Everything that turns margins into what the coder takes.

    Attributes:
        base: (decisions, n_tables), int32, the hyperprior's margins, in 1 / GRID nats.
        sigmoid: (STEEPEST GRID + 1,), int32, frequency of yes at margins from 0 up, of 2^24.
        tails: Tables of |s| - REST given |s| >= REST, shifted to be symmetric.
        sure: (n_tables,), bool: zero is so likely that neighbours are not asked.

    Raises:
        ValueError: shapes or values are not those of a chain.
    """

    base: NDArray[np.int32]
    sigmoid: NDArray[np.int32]
    tails: Tables
    sure: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.base.shape != (len(DECISIONS), len(self.tails)):
            raise ValueError("chain: one base margin is needed per decision and table")
        s = self.sigmoid.astype(np.int64)
        if s.shape != (STEEPEST * GRID + 1,) or (np.diff(s) < 0).any():
            raise ValueError("chain: the sigmoid must rise over its whole range")
        if s[0] != WHOLE // 2 or s[-1] >= WHOLE:
            raise ValueError("chain: the sigmoid must lead from 1/2 to below 1")

    def ones(self, margin: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the frequency of yes, of 2^24: (n,) margins to (n,)."""
        f = self.sigmoid[np.abs(margin).clip(0, STEEPEST * GRID)]
        return np.where(margin < 0, WHOLE - f, f).astype(np.int32)

    @classmethod
    def of(cls, tables: Tables) -> "Chain":
        """Make the chain of the hyperprior's tables; in floats, so only when a model is fitted."""
        yes, no = (np.maximum(1, part).astype(np.float64) for part in odds(tables))
        m = np.arange(STEEPEST * GRID + 1) / GRID
        return cls(
            base=np.rint(np.log(yes / no) * GRID).astype(np.int32),
            sigmoid=np.rint(WHOLE / (1 + np.exp(-m))).astype(np.int32),
            tails=tails_of(tables),
            sure=sure_of(tables),
        )

    def to_arrays(self) -> dict[str, NDArray[np.int32]]:
        """Name what cannot be derived in integers, for a safetensors file."""
        return {"base": self.base, "sigmoid": self.sigmoid}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.int32]], tables: Tables) -> "Chain":
        """Rebuild from `to_arrays` and the hyperprior's tables; raises KeyError or ValueError."""
        return cls(arrays["base"], arrays["sigmoid"], tails_of(tables), sure_of(tables))


def at_least(tables: Tables) -> NDArray[np.int64]:
    """Return the mass of |s| >= k for k = 0 .. REST, (n_tables, REST + 1), of 2^24."""
    masses = np.zeros((len(tables), REST + 1), np.int64)
    for row, half in enumerate(tables.half):
        size = np.abs(np.arange(2 * half + 2) - half)  # the escape counts as the largest
        f = tables.frequencies[row, : 2 * half + 2].astype(np.int64)
        size[-1] = max(half + 1, REST)
        masses[row] = [f[size >= k].sum() for k in range(REST + 1)]
    return masses


def odds(tables: Tables) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the masses of yes and of no to each decision, (decisions, n_tables) each.

    The tables are symmetric up to one unit in 2^24, so both signs are equally likely.
    """
    some = at_least(tables).T  # (REST + 1, n_tables)
    even = np.ones_like(some[0])
    more, no_more = some[1:], some[:-1] - some[1:]
    yes = np.concatenate([more[:1], even[None], more[1:]])
    no = np.concatenate([no_more[:1], even[None], no_more[1:]])
    return yes, no


def sure_of(tables: Tables) -> NDArray[np.bool_]:
    """Say which tables put more than 1 - 2^-8 on zero."""
    return tables.frequencies[np.arange(len(tables)), tables.half] > SURE


def expected_sizes(tables: Tables) -> NDArray[np.int32]:
    """Return E|s| under each table, (n_tables,), in 1/64 symbols, rounded down."""
    totals = []
    for row, half in enumerate(tables.half):
        size = np.abs(np.arange(2 * half + 1) - half)
        f = tables.frequencies[row, : 2 * half + 1].astype(np.int64)
        totals.append(int((f * size).sum()) * 64 >> PRECISION)
    return np.array(totals, np.int32)


def tails_of(tables: Tables) -> Tables:
    """Make tables of |s| - REST - L' given |s| >= REST, in integers.

    `Tables` hold an odd number of symbols around zero, so of the sizes within the support one may
    be left to the escape.
    """
    rows = []
    for row, half in enumerate(tables.half):
        if half < REST:  # only an escape can be that large
            rows.append(rescaled([1, 1]))
            continue
        f = tables.frequencies[row, : 2 * half + 2].astype(np.int64)
        sizes = f[half + REST : -1] + f[: half - REST + 1][::-1]  # both signs
        inside = sizes[: 2 * ((half - REST) // 2) + 1]
        rest = int(sizes.sum() - inside.sum() + f[-1])
        rows.append(rescaled([*inside.tolist(), rest]))
    frequencies = np.zeros((len(rows), max(map(len, rows))), np.int32)
    for out, masses in zip(frequencies, rows, strict=True):
        out[: len(masses)] = masses
    return Tables(frequencies, np.array([len(row) // 2 - 1 for row in rows], np.int32))


def rescaled(masses: list[int]) -> list[int]:
    """Scale positive masses to frequencies >= 1 that sum to 2^24, by largest remainder."""
    total, free = sum(masses), WHOLE - len(masses)
    shares = [divmod(m * free, total) for m in masses]
    left = free - sum(share for share, _ in shares)
    order = sorted(range(len(masses)), key=lambda i: (-shares[i][1], i))
    extra = set(order[:left])
    return [1 + share + (i in extra) for i, (share, _) in enumerate(shares)]
