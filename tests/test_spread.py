"""One function over many items on two workers: everything comes back, trouble is one line."""

import pytest

from hfx.errors import HfxError, ImageError
from hfx.spread import over

pytest.importorskip("distributed", reason='Dask is not installed: pip install "hfx[dask]"')


@pytest.fixture(scope="module")
def address():
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp://",
        dashboard_address=":0", scheduler_kwargs={"dashboard": False},
    ) as cluster:  # fmt: skip
        yield cluster.scheduler_address


def scaled(factor, offset, item):
    if item == 13:
        raise ImageError("thirteen is no picture")
    return factor * item + offset


def test_every_item(address):
    found = dict(over(address, scaled, (10, 1), range(8)))
    assert found == {i: 10 * i + 1 for i in range(8)}
    assert list(over(address, scaled, (10, 1), [])) == []


def test_an_item_that_fails_does_not_stop_the_others(address):
    found = dict(over(address, scaled, (10, 1), [12, 13, 14]))
    assert found[12] == 121 and found[14] == 141
    assert isinstance(found[13], ImageError) and "thirteen" in str(found[13])


def test_a_bug_is_one_line(address):
    with pytest.raises(HfxError, match=f"cluster at {address} failed: TypeError") as error:
        list(over(address, scaled, (10, 1), ["x", None]))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("wrong", ["nowhere", "x://host:8786", ""])
def test_no_address(wrong):
    with pytest.raises(HfxError, match="no Dask scheduler answers"):
        list(over(wrong, scaled, (1, 2), [3]))


def test_no_dask(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(HfxError, match=r'pip install "hfx\[dask\]"'):
        list(over("tcp://127.0.0.1:8786", scaled, (1, 2), [3]))
