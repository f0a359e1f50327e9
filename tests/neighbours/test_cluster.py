"""Trees grown by two workers of a Dask cluster are those grown on one machine, bit for bit."""

import os
import signal
import sys
from dataclasses import replace

import numpy as np
import pytest

from hfx.errors import HfxError
from hfx.neighbours import coding, samples, store
from hfx.neighbours.chain import Chain
from hfx.neighbours.fit import fit_boosted, grower, steps_of
from hfx.neighbours.grow import Asked, Knobs, grow_here
from hfx.neighbours.plan import Plan

pytest.importorskip("distributed", reason='Dask is not installed: pip install "hfx[dask]"')

KNOBS = Knobs(rounds=8, depth=3, eta=0.5, patience=4)
PLAN = Plan()


def cluster_of(workers):
    """Workers that are threads, but talk over sockets as those of several machines would."""
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=False, protocol="tcp://",
        dashboard_address=":0", scheduler_kwargs={"dashboard": False},
    )  # fmt: skip


@pytest.fixture(scope="module")
def address():
    with cluster_of(2) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def drawn(tiny_codec, portrait):
    """Windows to learn from, windows held out, and the latents that these come from."""
    tables = tiny_codec.weights.prior.tables_y
    sides = (portrait[100:356, :256], portrait[100:356, 256:])
    latents = [samples.latents_of(tiny_codec, [side]) for side in sides]
    seen, unseen = (
        samples.windows_of(one, tables, PLAN, Chain.of(tables), 5000) for one in latents
    )
    return seen, unseen, latents[1][0]


@pytest.fixture(scope="module")
def fitted(tiny_codec, drawn, address):
    """The models of one machine and of the cluster, with their reports; rounds told of."""
    tables, steps = tiny_codec.weights.prior.tables_y, []
    here = fit_boosted(tables, PLAN, *drawn[:2], KNOBS)
    there = fit_boosted(
        tables, PLAN, *drawn[:2], KNOBS, step=lambda: steps.append(1), cluster=address
    )
    return here, there, len(steps)


def made_up(count, seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 50, (count, 5)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    answers = rng.random(count) < np.nan_to_num(rows[:, 0]) / 50
    return Asked(rows, answers, rng.normal(0, 0.5, count).astype(np.float32))


def margins(booster, of):
    return booster.inplace_predict(of.rows, predict_type="margin", base_margin=of.margin)


# --- what two workers fit


def test_they_are_the_trees_of_one_machine(fitted):
    (one, here), (other, there), _ = fitted
    assert here.saved > 0.1 and min(here.rounds[:2]) > 1
    assert other.trees == one.trees and there == here


def test_they_are_so_though_a_worker_dies(fitted, tiny_codec, drawn, worker_processes):
    """The first worker dies after its third round; with whoever is left, all begins anew."""
    from distributed import Client

    (one, here), _, _ = fitted
    steps = []
    with Client(worker_processes) as client:
        first = min(client.run(os.getpid).items())[1]

        def step():
            steps.append(1)
            if len(steps) == 3:
                os.kill(first, signal.SIGKILL)

        tables = tiny_codec.weights.prior.tables_y
        other, there = fit_boosted(
            tables, PLAN, *drawn[:2], KNOBS, step=step, cluster=worker_processes
        )
        assert first not in client.run(os.getpid).values()
    assert other.trees == one.trees and there == here
    assert sum(there.rounds) <= len(steps) <= steps_of(KNOBS)


def test_its_file_decodes(fitted, tiny_codec, drawn, tmp_path):
    _, (model, report), _ = fitted
    tables, one = tiny_codec.weights.prior.tables_y, drawn[2]
    path = tmp_path / "tiny.xgb.safetensors"
    store.save(model, path, tiny_codec.weights.fingerprint, {"report": report.to_dict()})
    loaded, _ = store.load(path, "xgb", tiny_codec.weights.fingerprint, tables)
    data, escapes = coding.encode(model, tables, *one.side, one.y)
    decoded = coding.decode(loaded, tables, *one.side, data, escapes)
    np.testing.assert_array_equal(decoded, one.y)


def test_it_tells_of_every_round(fitted):
    _, (_, report), steps = fitted
    assert sum(report.rounds) <= steps <= steps_of(KNOBS)


def test_both_workers_get_pieces_and_the_hyperprior_counts(address, monkeypatch):
    from distributed import Client

    from hfx.neighbours import cluster

    monkeypatch.setattr(cluster, "PIECE", 150)
    some, held = made_up(1000), made_up(400, 1)
    with Client(address) as client:
        workers = sorted(client.nthreads())
        shares = cluster.matrix(client, workers, some).worker_map
        assert sorted(map(len, shares.values())) == [3, 4]
    with grower(address, lambda: None) as grow:
        there, here = grow(KNOBS, some, held), grow_here(KNOBS, some, held, lambda: None)
        np.testing.assert_array_equal(margins(there, held), margins(here, held))
        blind = grow(KNOBS, replace(some, margin=0 * some.margin), held)
    assert np.abs(margins(blind, held) - margins(there, held)).max() > 0.2


@pytest.mark.filterwarnings("ignore:.*Empty dataset")
@pytest.mark.parametrize("some, held", [(0, 50), (1, 50), (50, 1), (50, 0)])
def test_few_samples(address, some, held):
    """Fewer than there are workers, or nobody to say when to stop."""
    with grower(address, lambda: None) as grow:
        booster = grow(KNOBS, made_up(some), made_up(held, 1))
    assert 0 < booster.num_boosted_rounds() <= KNOBS.rounds


def test_no_rounds(address):
    with grower(address, lambda: None) as grow:
        assert grow(replace(KNOBS, rounds=0), made_up(50), made_up(9)).num_boosted_rounds() == 0


def test_workers_need_no_hfx(monkeypatch):
    from distributed.protocol import pickle

    from hfx.neighbours.cluster import teller
    from hfx.neighbours.grow import bits

    sent = pickle.dumps((teller("topic", "trees"), bits()))
    monkeypatch.setitem(sys.modules, "hfx", None)
    for module in ("hfx.neighbours.cluster", "hfx.neighbours.grow"):
        monkeypatch.delitem(sys.modules, module)
    tell, derivatives = pickle.loads(sent)
    assert tell.after_iteration and derivatives


# --- what goes wrong is one line


def test_trouble_on_a_worker(address):
    with (
        pytest.raises(HfxError, match=f"cluster at {address} failed") as error,
        grower(address, lambda: None) as grow,
    ):
        grow(replace(KNOBS, depth=-1), made_up(50), made_up(50))
    assert "\n" not in str(error.value)


def test_no_dask(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "hfx.neighbours.cluster", raising=False)
    with pytest.raises(HfxError, match=r'pip install "hfx\[dask\]"'):
        grower("tcp://127.0.0.1:8786", print)
