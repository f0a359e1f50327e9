"""One function over many items on the workers of a Dask cluster, for `--dask ADDRESS`.

Workers need hfx; what all items share is sent once, items and results travel as they are.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from hfx.errors import HfxError

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")


def over(
    address: str, function: Callable[..., R], shared: Sequence[Any], items: Sequence[I]
) -> Iterator[tuple[I, R | HfxError]]:
    """Yield every item with `function(*shared, item)`, in the order in which they are done.

    Where the function raises HfxError, that stands in the place of its result.

    Args:
        address: Of a scheduler, like tcp://host:8786.
        function: Of a module that workers can import.
        shared: Its first arguments.
        items: Its last argument, one after the other.

    Raises:
        HfxError: Dask is not installed, nobody answers, there is no worker, or one fails.
    """
    try:
        from distributed import Client, as_completed

        from hfx.neighbours.cluster import PATIENCE, first_line, knock
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
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise HfxError(f"the Dask scheduler at {address} has no workers") from error
        sent = [client.scatter(one, broadcast=True, hash=False) for one in shared]
        futures = {client.submit(function, *sent, item, pure=False): item for item in items}
        for future in as_completed(list(futures)):
            failure = future.exception()
            if failure is None:
                yield futures[future], future.result()
            elif isinstance(failure, HfxError):
                yield futures[future], failure
            else:
                raise HfxError(
                    f"the Dask cluster at {address} failed: {type(failure).__name__}: "
                    f"{first_line(failure)}"
                ) from failure
