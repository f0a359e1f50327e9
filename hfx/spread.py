"""One function over many items on the workers of a Dask cluster, for `--dask ADDRESS`.

    items -> a few for every thread -> scheduler -> workers -> results, in the order of the items

Workers need hfx; what all items share is sent once, items and results travel as they are. An item
stays with the scheduler until its result is here: when a worker dies, another gets it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from hfx.errors import HfxError
from hfx.scheduler import connected, first_line

if TYPE_CHECKING:  # Dask is an extra
    from distributed import Client

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")

AHEAD = (
    8  # items under way for each thread: a slow one keeps nobody waiting, a million need no room
)


def over(
    address: str, function: Callable[..., R], shared: Sequence[Any], items: Iterable[I]
) -> Iterator[tuple[I, R | HfxError]]:
    """Yield every item with `function(*shared, item)`, once each and in order.

    Where the function raises HfxError, or every worker that tries an item dies, that error stands
    in the place of its result.

    Args:
        address: Of a scheduler, like tcp://host:8786.
        function: Of a module that workers can import.
        shared: Its first arguments.
        items: Its last argument, one after the other; taken a little ahead of the results.

    Raises:
        HfxError: Dask is not installed, nobody answers, there is no worker, or the function fails.
    """
    with connected(address) as client:
        from dask import config

        # photographs are large for arguments, and belong into the task all the same: see below
        with config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}):
            # as the results of tasks: what is only scattered is lost with the worker that holds
            # it, while another takes its place; tasks are then done again
            sent = [client.submit(_same, [one], pure=False) for one in shared]
            under_way: deque[tuple[I, Any]] = deque()
            for item in items:
                under_way.append((item, client.submit(function, *sent, item, pure=False)))
                while len(under_way) >= room(address, client):
                    yield settled(address, *under_way.popleft())
            while under_way:
                yield settled(address, *under_way.popleft())


def _same(box: list[Any]) -> Any:  # noqa: ANN401
    """Take one thing out of its box, in which Dask leaves it whole."""
    return box[0]


def settled(address: str, item: I, future: Any) -> tuple[I, Any | HfxError]:  # noqa: ANN401
    """Wait for an item's result; raise HfxError where it is the cluster that fails."""
    from distributed import KilledWorker

    try:
        return item, future.result()
    except HfxError as error:
        return item, error
    except KilledWorker as error:
        allowed = error.allowed_failures
        return item, HfxError(
            f"{allowed + 1} workers died while they had it, most likely for want of memory; give "
            "them more, or do it without --dask"
        )
    except Exception as error:  # whatever can happen on other machines
        raise failure(address, error) from error


def room(address: str, client: "Client") -> int:
    """Return how many items may be under way."""
    try:
        return AHEAD * max(1, sum(client.nthreads().values()))
    except Exception as error:  # the scheduler is gone
        raise failure(address, error) from error


def failure(address: str, error: Exception) -> HfxError:
    """Say in one line that the cluster failed, and how."""
    return HfxError(
        f"the Dask cluster at {address} failed: {type(error).__name__}: {first_line(error)}"
    )
