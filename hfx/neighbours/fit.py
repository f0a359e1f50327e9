"""From training pictures to a neighbour model: windows are drawn, trees are grown, bits counted.

Fitted on the latents of training pictures; early stopping watches held-out ones. The report says
what the held-out symbols cost before and after, decision by decision.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial

import numpy as np
import xgboost as xgb

from hfx.entropy.pmf import Tables
from hfx.errors import HfxError
from hfx.neighbours.bins import Bins
from hfx.neighbours.boosted import Boosted, rounded
from hfx.neighbours.chain import DECISIONS, GRID, Chain
from hfx.neighbours.grow import Asked, Grow, Knobs, grow_here
from hfx.neighbours.plan import Plan
from hfx.neighbours.samples import Report, Windows, cost
from hfx.neighbours.window import names


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
            bins = Bins.of(some.rows)
            some, others = (replace(part, rows=bins(part.rows)) for part in (some, others))
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
            trees.append(rounded(bins.undo(booster)))
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
