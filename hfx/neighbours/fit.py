"""From training pictures to a neighbour model: windows are drawn, trees are grown, bits counted.

Fitted on the latents of training pictures; early stopping watches held-out ones. The report says
what the held-out symbols cost before and after, decision by decision.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from hfx.entropy.pmf import Tables
from hfx.errors import HfxError
from hfx.neighbours.boosted import Boosted, rounded
from hfx.neighbours.chain import DECISIONS, GRID, Chain
from hfx.neighbours.plan import Plan
from hfx.neighbours.samples import Report, Windows, cost
from hfx.neighbours.window import names


@dataclass(frozen=True)
class Knobs:
    """Eq. 2-4's knobs by the names of xgboost's documentation.

    Attributes:
        rounds: Trees a decision, at most.
        depth: Deepest a tree grows.
        eta: Share of each tree's correction that is used.
        gamma: Price of a leaf; half of it is the gamma of Eq. 4, whose factor 1/2 xgboost drops.
        lambda_: Price of large scores, the lambda of Eq. 4.
        max_delta_step: Largest score of a leaf before eta, or vanishing Hessians diverge.
        patience: Rounds without gain on held-out pictures before stopping.
        seed: Of the windows drawn.
    """

    rounds: int = 40
    depth: int = 5
    eta: float = 0.3
    gamma: float = 1.0
    lambda_: float = 1.0
    max_delta_step: float = 0.5
    patience: int = 20
    seed: int = 0

    def for_xgboost(self) -> dict[str, Any]:
        """Return xgboost's parameters."""
        return {
            "objective": "binary:logistic",
            "eval_metric": "logloss",
            "base_score": 0.5,
            "tree_method": "hist",
            "max_depth": self.depth,
            "eta": self.eta,
            "gamma": self.gamma,
            "lambda": self.lambda_,
            "max_delta_step": self.max_delta_step,
            "seed": self.seed,
        }


@dataclass(frozen=True, eq=False)
class Asked:
    """The samples that one decision is asked of.

    Shapes: rows (n, F) float32, answers (n,) bool, margin (n,) float32, the hyperprior's.
    """

    rows: NDArray[np.float32]
    answers: NDArray[np.bool_]
    margin: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.answers)


Grow = Callable[[Knobs, Asked, Asked], xgb.Booster]
"""What grows the trees of one decision on samples, while held-out ones tell when to stop."""


def steps_of(knobs: Knobs) -> int:
    """Return how many rounds a fit takes at most."""
    return knobs.rounds * len(DECISIONS)


def columns_of(plan: Plan, without: Sequence[str]) -> tuple[int, ...] | None:
    """Return the features that are left when some are taken away by name."""
    if not without:
        return None
    return tuple(i for i, name in enumerate(names(plan)) if name not in set(without))


def fit_boosted(
    tables: Tables,
    plan: Plan,
    train: Windows,
    held: Windows,
    knobs: Knobs | None = None,
    without: Sequence[str] = (),
    step: Callable[[], None] = lambda: None,
    cluster: str | None = None,
) -> tuple[Boosted, Report]:
    """Fit one booster a decision, starting from the hyperprior's margins.

    Args:
        tables: The hyperprior's tables of y.
        plan: Order and window that the windows were drawn with.
        train: What the trees learn from.
        held: What stops them.
        knobs: Strength of learning.
        without: Features withheld, by name.
        step: Called after each round, `steps_of` times at most.
        cluster: Address of a Dask scheduler to fit on; None: this machine.

    Raises:
        HfxError: the cluster cannot be used.
    """
    knobs, chain = knobs or Knobs(), Chain.of(tables)
    columns = columns_of(plan, without)
    report, trees = Report(len(train)), list[bytes]()
    with grower(cluster, step) as grow:
        for decision in range(len(DECISIONS)):
            some, others = (asked(part, decision, chain, columns) for part in (train, held))
            booster = grow(knobs, some, others)
            kept = booster.num_boosted_rounds()
            if kept and len(others):  # what grew while patience ran out is dropped
                kept = booster.best_iteration + 1
                booster = booster[:kept]
            matrix = xgb.DMatrix(others.rows, base_margin=others.margin)
            before = cost(others.margin, others.answers)
            after = cost(booster.predict(matrix, output_margin=True), others.answers)
            if kept and after > before:  # the best of them is worse than none at all
                booster, kept = grow_here(replace(knobs, rounds=0), some, others, step), 0
                after = before
            trees.append(rounded(booster))
            report.rounds.append(kept)
            report.before.append(before)
            report.after.append(after)
    return Boosted(plan, chain, tuple(trees), columns), report


def asked(windows: Windows, decision: int, chain: Chain, columns: tuple[int, ...] | None) -> Asked:
    """Take the samples that a decision is asked of."""
    at, answers = windows.asked(decision)
    rows = windows.rows[at] if columns is None else windows.rows[at][:, columns]
    margin = (chain.base[decision, windows.index[at]] / GRID).astype(np.float32)
    return Asked(rows, answers, margin)


def grower(cluster: str | None, step: Callable[[], None]) -> AbstractContextManager[Grow]:
    """Return what grows trees: this machine, or the cluster at an address."""
    if cluster is None:
        return nullcontext(partial(grow_here, step=step))
    try:
        from hfx.neighbours.cluster import connected
    except ImportError as error:
        raise HfxError('fitting on a cluster needs Dask: pip install "hfx[dask]"') from error
    return connected(cluster, step)


def grow_here(knobs: Knobs, some: Asked, held: Asked, step: Callable[[], None]) -> xgb.Booster:
    """Grow trees on this machine's cores."""

    class Tell(xgb.callback.TrainingCallback):
        def after_iteration(self, *_: object) -> bool:
            step()
            return False

    data = xgb.QuantileDMatrix(some.rows, some.answers, base_margin=some.margin)
    watched = xgb.QuantileDMatrix(held.rows, held.answers, base_margin=held.margin, ref=data)
    return xgb.train(
        knobs.for_xgboost(),
        data,
        knobs.rounds,
        evals=[(watched, "held")],
        early_stopping_rounds=knobs.patience if len(held) else None,
        verbose_eval=False,
        callbacks=[Tell()],
    )
