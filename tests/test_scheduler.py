"""A cluster that cannot be used is one line that says why, soon."""

import socket
import sys

import pytest

from hfx import scheduler
from hfx.errors import HfxError
from hfx.neighbours.fit import grower
from hfx.scheduler import connected
from hfx.spread import over

pytest.importorskip("distributed", reason='Dask is not installed: pip install "hfx[dask]"')


def doors(address):
    """All that goes through the door."""
    return connected(address), grower(address, print)


@pytest.mark.parametrize("wrong", ["nowhere", "x://host:8786", "", "tls://127.0.0.1:1"])
def test_no_address(wrong):
    for door in doors(wrong):
        with pytest.raises(HfxError, match="no Dask scheduler answers"), door:
            pass
    with pytest.raises(HfxError, match="no Dask scheduler answers"):
        list(over(wrong, print, (), [3]))


@pytest.mark.parametrize("listening", [True, False])
def test_nobody_answers(listening, monkeypatch):
    """Neither at a closed port nor where something else listens, and says nothing."""
    monkeypatch.setattr(scheduler, "PATIENCE", 1)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        if listening:
            other.listen()
        wrong = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        with (
            pytest.raises(HfxError, match=f"answers at {wrong} .* silence for 1 s") as error,
            connected(wrong),
        ):
            pass
    assert "\n" not in str(error.value)


def test_nobody_works(monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr(scheduler, "PATIENCE", 1)
    with (
        LocalCluster(
            n_workers=0, processes=False, protocol="tcp://", dashboard_address=":0",
            scheduler_kwargs={"dashboard": False},
        ) as empty,
        pytest.raises(HfxError, match="has no workers"),
        connected(empty.scheduler_address),
    ):  # fmt: skip
        pass


def test_no_dask(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(HfxError, match=r'pip install "hfx\[dask\]"'),
        connected("tcp://127.0.0.1:8786"),
    ):
        pass
