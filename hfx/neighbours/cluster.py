"""The same trees, grown by the workers of a Dask cluster: xgboost's own `xgboost.dask`.

samples --pieces, round the workers--> quantile sketches, histograms --summed--> one booster

Every worker bins and counts its own share, and only sums travel. Sketches of shares differ a
little from one of the whole: the trees are as good as those grown on one machine, not the same.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import dask
import numpy as np
import xgboost as xgb
from dask import array
from distributed import Client, Security, get_worker, rpc
from numpy.typing import NDArray
from xgboost import collective
from xgboost import dask as dxgb

from hfx.errors import HfxError
from hfx.neighbours.fit import Asked, Grow, Knobs, grow_here

PATIENCE = 10  # seconds that a scheduler has to answer, and to have a worker
PIECE = 1 << 16  # rows sent at a time, about 20 MB


@contextmanager
def connected(address: str, step: Callable[[], None]) -> Iterator[Grow]:
    """Connect to a scheduler; yield what grows trees there.

    Args:
        address: Like tcp://host:8786.
        step: Called after each round, from another thread.

    Raises:
        HfxError: nobody answers at the address, there is no worker, or fitting failed.
    """
    try:
        knock(address)
        client = Client(address, timeout=PATIENCE)
    except (OSError, TypeError, ValueError) as error:
        raise HfxError(
            f"no Dask scheduler answers at {address} (one looks like tcp://host:8786): "
            f"{first_line(error)}"
        ) from error
    topic = f"hfx-{uuid4().hex}"
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise HfxError(f"the Dask scheduler at {address} has no workers") from error
        client.subscribe_topic(topic, lambda _: step())

        def grow(knobs: Knobs, some: Asked, held: Asked) -> xgb.Booster:
            workers = sorted(client.nthreads())
            if len(some) < len(workers):  # too few to go round
                return grow_here(knobs, some, held, step)
            try:
                return grow_there(client, workers, knobs, some, held, topic)
            except Exception as error:  # whatever can happen on other machines
                raise HfxError(
                    f"fitting on the Dask cluster at {address} failed: "
                    f"{type(error).__name__}: {first_line(error)}"
                ) from error

        yield grow


def knock(address: str) -> None:
    """Raise an error unless a scheduler answers soon.

    A `Client` would wait for ever where a program of another kind listens.
    """

    async def ask() -> None:
        async with rpc(address, connection_args=Security().get_connection_args("client")) as one:
            await asyncio.wait_for(one.identity(), PATIENCE)

    with ThreadPoolExecutor(1) as thread:  # a notebook's own thread runs a loop already
        try:
            thread.submit(lambda: asyncio.run(ask())).result()
        except TimeoutError as error:
            raise TimeoutError(f"silence for {PATIENCE} s") from error


def grow_there(
    client: Client, workers: list[str], knobs: Knobs, some: Asked, held: Asked, topic: str
) -> xgb.Booster:
    """Grow trees on the workers of a client; every round is an event of a topic."""
    data = matrix(client, workers, some)
    watched = [(matrix(client, workers, held, data), "held")] if len(held) else None
    grown = dxgb.train(
        client,
        knobs.for_xgboost(),
        data,
        knobs.rounds,
        evals=watched,
        early_stopping_rounds=knobs.patience if watched else None,
        verbose_eval=False,
        callbacks=[teller(topic)],
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


def teller(topic: str) -> xgb.callback.TrainingCallback:
    """Return a callback by which the first worker tells of every round.

    Its class is inside a function so that it travels by value: workers need xgboost, not hfx.
    """

    class Tell(xgb.callback.TrainingCallback):
        def after_iteration(self, *_: object) -> bool:
            if collective.get_rank() == 0:
                get_worker().log_event(topic, "round")
            return False

    return Tell()


def first_line(error: Exception) -> str:
    """Return the first line of a message; xgboost's go on with a stack trace."""
    return (str(error).strip().splitlines() or ["no reason given"])[0]
