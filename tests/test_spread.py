"""One function over many items on two workers: everything comes back, trouble is one line."""

import os
import signal
import time

import pytest

from hfx import scheduler
from hfx.errors import HfxError, ImageError
from hfx.spread import AHEAD, over

pytest.importorskip("distributed", reason='Dask is not installed: pip install "hfx[dask]"')


def cluster_of_threads():
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp://",
        dashboard_address=":0", scheduler_kwargs={"dashboard": False},
    )  # fmt: skip


@pytest.fixture(scope="module")
def address():
    with cluster_of_threads() as cluster:
        yield cluster.scheduler_address


def scaled(factor, offset, item):
    if item == 13:
        raise ImageError("thirteen is no picture")
    return factor * item + offset


def test_every_item(address):
    found = dict(over(address, scaled, (10, 1), range(8)))
    assert found == {i: 10 * i + 1 for i in range(8)}
    assert list(over(address, scaled, (10, 1), [])) == []


def together(*arguments):
    return arguments


@pytest.mark.parametrize("shared", [(), ({}, []), ({"a": 1}, [2, 3], (4,), None)])
def test_whatever_is_shared_arrives_whole(address, shared):
    assert list(over(address, together, shared, ["x"])) == [("x", (*shared, "x"))]


def test_an_item_that_fails_does_not_stop_the_others(address):
    found = dict(over(address, scaled, (10, 1), [12, 13, 14]))
    assert found[12] == 121 and found[14] == 141
    assert isinstance(found[13], ImageError) and "thirteen" in str(found[13])


def test_in_order_and_only_a_little_ahead(address):
    """Where the first item takes longest; a million would never lie in memory at once."""
    taken = []

    def items():
        for item in range(60):
            taken.append(item)
            yield item

    results = over(address, slow_at_first, (), items())
    assert next(results) == (0, 0)
    assert len(taken) == 2 * AHEAD
    assert list(results) == [(item, item) for item in range(1, 60)]


def slow_at_first(item):
    time.sleep(0.5 if item == 0 else 0)
    return item


def deadly(item):
    """End the process at one item, whoever tries it."""
    if item == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_an_item_that_ends_every_worker_is_named_and_the_rest_is_done(worker_processes):
    found = dict(over(worker_processes, deadly, (), range(8)))
    assert list(found) == list(range(8))
    ended = [item for item, result in found.items() if isinstance(result, HfxError)]
    assert 5 in ended and len(ended) <= 3  # what waited in its worker's queue may be blamed too
    assert all("2 workers died while" in str(found[item]) for item in ended)
    assert all(found[item] == item for item in found if item not in ended)


def sleepy(item):
    time.sleep(0.2)
    return item


def test_a_scheduler_that_goes_is_one_line(monkeypatch):
    monkeypatch.setattr(scheduler, "PATIENCE", 3)  # so long a client would look for it
    with cluster_of_threads() as cluster:
        results = over(cluster.scheduler_address, sleepy, (), range(100))
        assert next(results) == (0, 0)
        cluster.close()
        with pytest.raises(HfxError, match="cluster at tcp://.* failed") as error:
            list(results)
    assert "\n" not in str(error.value)


def test_a_bug_is_one_line(address):
    with pytest.raises(HfxError, match=f"cluster at {address} failed: TypeError") as error:
        list(over(address, scaled, (10, 1), ["x", None]))
    assert "\n" not in str(error.value)


def dies_once(marker, shared, item):
    if item == 1 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return shared["a"] + item


def test_what_is_shared_outlives_the_only_worker_that_has_it(tmp_path):
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=":0",
        scheduler_kwargs={"dashboard": False, "allowed_failures": 1},
    ) as cluster:  # fmt: skip
        shared = (tmp_path / "dead", {"a": 10})
        found = list(over(cluster.scheduler_address, dies_once, shared, range(3)))
    assert found == [(0, 10), (1, 11), (2, 12)]
