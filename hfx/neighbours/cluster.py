"""The same trees, grown by the workers of a Dask cluster: xgboost's own `xgboost.dask`.

samples --pieces, round the workers--> histograms --summed--> one booster

Every worker counts its own share, and only sums travel. Bins are found before the samples are
shared out, and the sums are exact: the trees are those grown on one machine, bit for bit.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import dask
import numpy as np
import xgboost as xgb
from dask import array
from distributed import Client, get_worker
from numpy.typing import NDArray
from xgboost import collective
from xgboost import dask as dxgb

from hfx import scheduler
from hfx.errors import HfxError
from hfx.neighbours.grow import Asked, Grow, Knobs, bits, grow_here

PIECE = 1 << 16  # rows sent at a time, about 20 MB
CHANCES = 4  # as often trees are begun when workers die over them, as Dask does with its tasks


@contextmanager
def connected(address: str, step: Callable[[], None]) -> Iterator[Grow]:
    """Connect to a scheduler; yield what grows trees there.

    Args:
        address: Like tcp://host:8786.
        step: Called after each round, from another thread.

    Raises:
        HfxError: nobody answers at the address, there is no worker, or fitting failed.
    """
    topic, told = f"hfx-{uuid4().hex}", set[tuple[str, int]]()

    def tell(event: tuple[float, tuple[str, int]]) -> None:
        if event[1] not in told:  # trees that are grown again count once
            told.add(event[1])
            step()

    with scheduler.connected(address) as client:
        client.subscribe_topic(topic, tell)

        def grow(knobs: Knobs, some: Asked, held: Asked) -> xgb.Booster:
            name = uuid4().hex
            for chance in range(CHANCES, 0, -1):
                workers = sorted(client.nthreads())
                if len(some) < len(workers):  # too few to go round
                    return grow_here(knobs, some, held, step)
                try:
                    return grow_there(client, workers, knobs, some, held, teller(topic, name))
                except Exception as error:  # whatever can happen on other machines
                    if not (chance > 1 and lost(client, workers)):
                        raise HfxError(
                            f"fitting on the Dask cluster at {address} failed: "
                            f"{type(error).__name__}: {scheduler.first_line(error)}"
                        ) from error
                scheduler.await_one(client, address)
            raise AssertionError("the last chance returns or raises")

        yield grow


def lost(client: Client, workers: list[str]) -> bool:
    """Say whether one of the workers is gone: the others may tell of it before the scheduler."""
    for _ in range(10):
        if set(workers) - set(client.nthreads()):
            return True
        time.sleep(0.1)
    return False


def grow_there(
    client: Client,
    workers: list[str],
    knobs: Knobs,
    some: Asked,
    held: Asked,
    tell: xgb.callback.TrainingCallback,
) -> xgb.Booster:
    """Grow trees on the workers of a client."""
    data = matrix(client, workers, some)
    watched = [(matrix(client, workers, held, data), "held")] if len(held) else None
    grown = dxgb.train(
        client,
        knobs.for_xgboost(),
        data,
        knobs.rounds,
        evals=watched,
        early_stopping_rounds=knobs.patience if watched else None,
        obj=bits(),
        verbose_eval=False,
        callbacks=[tell],
    )
    return grown["booster"]


def matrix(
    client: Client, workers: list[str], of: Asked, like: dxgb.DaskQuantileDMatrix | None = None
) -> dxgb.DaskQuantileDMatrix:
    """Send samples to the workers; `like` are those whose bins are used."""
    count = min(len(of), max(len(workers), -(-len(of) // PIECE)))

    def spread(column: NDArray[np.generic]) -> array.Array:
        parts = []
        for number, piece in enumerate(np.array_split(column, count)):
            home = workers[number % len(workers)]
            there = dask.delayed(client.scatter(piece, workers=[home], hash=False))
            parts.append(array.from_delayed(there, piece.shape, piece.dtype))
        return array.concatenate(parts)

    rows, answers, margin = (spread(column) for column in (of.rows, of.answers, of.margin))
    return dxgb.DaskQuantileDMatrix(client, rows, answers, base_margin=margin, ref=like)


def teller(topic: str, name: str) -> xgb.callback.TrainingCallback:
    """Return a callback by which the first worker tells of every round of the trees of a name.

    Its class is inside a function so that it travels by value: workers need xgboost, not hfx.
    """

    class Tell(xgb.callback.TrainingCallback):
        def after_iteration(self, model: object, epoch: int, log: object) -> bool:
            if collective.get_rank() == 0:
                get_worker().log_event(topic, (name, epoch))
            return False

    return Tell()
