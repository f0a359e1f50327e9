"""What every test shares: seeds and pictures."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def seed():
    """The same numbers in every run, whatever ran before."""
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def kodak():
    """The paths of the Kodak photographs, sorted; they are not in git."""
    root = os.environ.get("HFX_DATA")
    if not root:
        pytest.skip("HFX_DATA is not set: it names the folder that holds kodak/")
    paths = sorted(Path(root, "kodak").glob("*.png"))
    if not paths:
        pytest.skip(f"no PNG in {root}/kodak: the Kodak photographs are not on this machine")
    return paths


@pytest.fixture(scope="session")
def photo():
    """A face, cut from a public-domain photograph: (96, 128, 3) uint8, read-only."""
    data = pytest.importorskip("skimage.data", reason="its photographs come with scikit-image")
    rgb = np.ascontiguousarray(data.astronaut()[48:144, 160:288])
    rgb.flags.writeable = False
    return rgb


@pytest.fixture(scope="session")
def portrait():
    """The whole of the photograph that `photo` is cut from: (512, 512, 3) uint8, read-only."""
    data = pytest.importorskip("skimage.data", reason="its photographs come with scikit-image")
    rgb = np.ascontiguousarray(data.astronaut())
    rgb.flags.writeable = False
    return rgb


@pytest.fixture(scope="session")
def tiny_model(portrait):
    """An untrained TINY model that compresses all the same: it starts as a PCA transform."""
    from hfx.compressor import Compressor
    from hfx.config import TINY
    from hfx.data import patches_of

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Compressor(TINY)
    model.warm_start(patches_of([portrait]), (160.0, 80.0, 40.0))
    with torch.no_grad():
        model.hyper_analysis.stack[-1].weight.mul_(20)  # so that z says something
    model.half().float()  # as its file keeps it, so that both write the same bytes
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def tiny_codec(tiny_model):
    """A codec that depends on no file."""
    from hfx.codec import Codec
    from hfx.export import freeze

    return Codec(freeze(tiny_model, {"step": 0}))


@pytest.fixture(scope="session")
def tiny_file(tiny_codec, tmp_path_factory):
    """The weights of `tiny_codec` as a file."""
    from hfx import weights

    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    weights.save(tiny_codec.weights, path)
    return path


@pytest.fixture(scope="session")
def shipped():
    """The codec with the weights that hfx comes with."""
    from hfx import WeightsError, load

    try:
        return load()
    except WeightsError as error:
        pytest.skip(f"no shipped weights: {error}")


@pytest.fixture(scope="session")
def tiny_trees(tiny_codec, portrait):
    """A small tree model for `tiny_codec`, which helps on pictures like `portrait`."""
    xgboost = pytest.importorskip("xgboost")
    from hfx.neighbours import samples
    from hfx.neighbours.chain import Chain
    from hfx.neighbours.fit import Knobs, fit_boosted
    from hfx.neighbours.plan import Plan

    crops = [portrait[y : y + 160, x : x + 160] for y in (0, 160, 320) for x in (0, 300)]
    latents = samples.latents_of(tiny_codec, crops)
    tables, plan = tiny_codec.weights.prior.tables_y, Plan()
    drawn = [
        samples.windows_of(part, tables, plan, Chain.of(tables), count)
        for part, count in ((latents[1:], 4000), (latents[:1], 1000))
    ]
    with xgboost.config_context(nthread=1):  # threads that meet often wait on a busy machine
        return fit_boosted(tables, plan, *drawn, Knobs(rounds=6, depth=3, eta=0.5))[0]


@pytest.fixture(scope="session")
def fitted_file(tiny_file, tiny_trees, tiny_codec, tmp_path_factory):
    """A copy of `tiny_file` with `tiny_trees` beside it."""
    from hfx.neighbours import store

    path = tmp_path_factory.mktemp("fitted") / "tiny.safetensors"
    path.write_bytes(tiny_file.read_bytes())
    beside = path.with_name("tiny.xgb.safetensors")
    store.save(tiny_trees, beside, tiny_codec.weights.fingerprint, {"pictures": 6})
    return path


@pytest.fixture(scope="session")
def worker_processes():
    """The address of a Dask cluster of two workers that are processes, so that one can die."""
    distributed = pytest.importorskip("distributed", reason='pip install "hfx[dask]"')
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0",
        scheduler_kwargs={"dashboard": False, "allowed_failures": 1},
    ) as cluster:  # fmt: skip
        yield cluster.scheduler_address
