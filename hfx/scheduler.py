"""The door of a Dask cluster: knock, come in, and one line where nobody answers."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hfx.errors import HfxError

if TYPE_CHECKING:  # Dask is an extra
    from distributed import Client

PATIENCE = 10  # seconds that a scheduler has to answer, and to have a worker


@contextmanager
def connected(address: str) -> Iterator["Client"]:
    """Yield a client of a scheduler that has at least one worker.

    Args:
        address: Like tcp://host:8786.

    Raises:
        HfxError: Dask is not installed, nobody answers at the address, or there is no worker.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise HfxError('a cluster needs Dask: pip install "hfx[dask]"') from error
    try:
        knock(address)
        client = Client(address, timeout=PATIENCE)
    except (OSError, TypeError, ValueError) as error:
        raise HfxError(
            f"no Dask scheduler answers at {address} (one looks like tcp://host:8786): "
            f"{first_line(error)}"
        ) from error
    with client:
        await_one(client, address)
        yield client


def knock(address: str) -> None:
    """Raise an error unless a scheduler answers soon.

    A `Client` would wait for ever where a program of another kind listens.
    """
    from distributed import Security, rpc

    async def ask() -> None:
        async with rpc(address, connection_args=Security().get_connection_args("client")) as one:
            await asyncio.wait_for(one.identity(), PATIENCE)

    with ThreadPoolExecutor(1) as thread:  # a notebook's own thread runs a loop already
        try:
            thread.submit(lambda: asyncio.run(ask())).result()
        except TimeoutError as error:
            raise TimeoutError(f"silence for {PATIENCE} s") from error


def await_one(client: "Client", address: str) -> None:
    """Wait until there is a worker; raise HfxError where none comes."""
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError as error:
        raise HfxError(f"the Dask scheduler at {address} has no workers") from error


def first_line(error: Exception) -> str:
    """Return the first line of a message; xgboost's go on with a stack trace."""
    return (str(error).strip().splitlines() or ["no reason given"])[0]
