"""A file decodes with every release of xgboost in the range of pyproject.toml, on any threads."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xgboost

from hfx import bitstream, weights
from hfx.codec import load
from hfx.neighbours import samples, store
from hfx.neighbours.chain import DECISIONS, Chain
from hfx.neighbours.fit import Knobs, fit_boosted
from hfx.neighbours.plan import Plan

ROOT = Path(__file__).parents[2]
OTHERS = ("2.1.1", "3.0.5")  # the first of the range; the last before 3.1 wrote models differently
WHEEL = "xgboost" if sys.platform == "darwin" else "xgboost-cpu"
KNOBS = Knobs(rounds=12, depth=5, eta=0.3, patience=6)
PLAN = Plan()
ROWS = 10_000

DECODE = """
import sys
from pathlib import Path

import numpy as np
import torch
import xgboost

from hfx import bitstream
from hfx.codec import load
from hfx.neighbours import boosted
from hfx.neighbours.chain import DECISIONS

boosted.SMALL = 256  # rows: so that batches of a small picture are shared by threads too
folder, threads = Path(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(threads)
codec = load(folder / "tiny.safetensors", "xgb")
data = (folder / "a.hfx").read_bytes()
rows, base = np.load(folder / "rows.npy"), np.load(folder / "base.npy")
model = codec.models.get("xgb")[1]
margins = [model.margins(decision, rows, base) for decision in range(len(DECISIONS))]
y, picture = codec.read(bitstream.read(data)).y, codec.decompress(data)
np.savez(sys.argv[3], release=xgboost.__version__, y=y, picture=picture, margins=margins)
"""

FIT = """
import sys
from pathlib import Path

import numpy as np
import xgboost

from hfx.codec import load
from hfx.neighbours import samples, store
from hfx.neighbours.fit import Knobs, fit_boosted
from hfx.neighbours.plan import Plan

folder, target = Path(sys.argv[1]), Path(sys.argv[2])
codec = load(target / "tiny.safetensors", "none")
windows = np.load(folder / "windows.npz")
seen, unseen = (samples.Windows(*(windows[f"{of}{i}"] for i in range(3))) for of in "ab")
model, _ = fit_boosted(codec.weights.prior.tables_y, Plan(), seen, unseen, Knobs(rounds=5))
store.save(model, target / "tiny.xgb.safetensors", codec.weights.fingerprint, {})
data = load(target / "tiny.safetensors", "xgb").compress(np.load(folder / "picture.npy"))
(target / "a.hfx").write_bytes(data)
print(xgboost.__version__)
"""

WITHOUT = """
import sys

import numpy as np

import hfx.cli
from hfx.codec import load

codec = load(sys.argv[1], "none")
picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
codec.decompress(codec.compress(picture))
print(*{"xgboost", "sklearn", "dask", "distributed"} & set(sys.modules))
"""


def python(code, *arguments, **env):
    run = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | env, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.fixture(scope="module")
def written(tiny_codec, portrait, tmp_path_factory):
    """A folder with weights, a model fitted for them, a file, and what it must decode to."""
    folder = tmp_path_factory.mktemp("written")
    tables, rng = tiny_codec.weights.prior.tables_y, np.random.default_rng(0)
    weights.save(tiny_codec.weights, folder / "tiny.safetensors")

    latents = [samples.latents_of(tiny_codec, [p]) for p in (portrait[:256], portrait[256:])]
    drawn = [samples.windows_of(one, tables, PLAN, Chain.of(tables), ROWS) for one in latents]
    model, _ = fit_boosted(tables, PLAN, *drawn, KNOBS)
    fingerprint = tiny_codec.weights.fingerprint
    store.save(model, folder / "tiny.xgb.safetensors", fingerprint, {})
    columns = zip("ab", drawn, strict=True)
    arrays = {f"{of}{i}": v for of, w in columns for i, v in enumerate(vars(w).values())}
    np.savez(folder / "windows.npz", **arrays)

    codec, picture = load(folder / "tiny.safetensors", "xgb"), portrait[80:280, 120:376]
    np.save(folder / "picture.npy", picture)
    data = codec.compress(picture)
    assert len(data) < len(codec.compress(picture, neighbours="none"))
    (folder / "a.hfx").write_bytes(data)

    some = drawn[0].rows[rng.integers(0, len(drawn[0]), ROWS)]
    rows = rng.permuted(some, axis=0)  # every column for itself: combinations of no picture
    base = rng.integers(-4000, 4000, ROWS)
    assert np.isnan(rows).any()
    np.save(folder / "rows.npy", rows)
    np.save(folder / "base.npy", base)
    margins = np.stack([model.margins(d, rows, base) for d in range(len(DECISIONS))])
    assert all(len(np.unique(m - base)) > 10 for m in margins)
    y, decoded = codec.read(bitstream.read(data)).y, codec.decompress(data)
    return SimpleNamespace(folder=folder, y=y, picture=np.asarray(decoded), margins=margins)


def same(path, written):
    """Whether what another process found is what it must be; return its release of xgboost."""
    found = np.load(path)
    for name in ("y", "picture", "margins"):
        np.testing.assert_array_equal(found[name], getattr(written, name), err_msg=name)
    return str(found["release"])


@pytest.fixture(scope="module", params=OTHERS)
def other(request, tmp_path_factory):
    """Another release of xgboost, in a folder of its own."""
    folder = tmp_path_factory.mktemp("xgboost")
    options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--target", str(folder)]
    run = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, f"{WHEEL}=={request.param}"],
        capture_output=True, text=True,
    )  # fmt: skip
    if run.returncode:
        why = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"pip cannot install {WHEEL} {request.param}: {why}")
    assert request.param != xgboost.__version__
    before = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(folder), *([before] if before else [])])
    return SimpleNamespace(release=request.param, env={"PYTHONPATH": path})


@pytest.mark.slow
def test_another_release_decodes(written, other, tmp_path):
    python(DECODE, written.folder, 2, tmp_path / "found.npz", **other.env)
    assert same(tmp_path / "found.npz", written) == other.release


@pytest.mark.slow
def test_what_another_release_fitted_and_coded_decodes_here(written, other, tmp_path):
    (tmp_path / "tiny.safetensors").symlink_to(written.folder / "tiny.safetensors")
    assert python(FIT, written.folder, tmp_path, **other.env) == other.release
    codec, data = load(tmp_path / "tiny.safetensors", "xgb"), (tmp_path / "a.hfx").read_bytes()
    assert not codec.models.get("xgb")[1].silent
    assert bitstream.read(data).header.neighbours == "xgb"
    np.testing.assert_array_equal(codec.read(bitstream.read(data)).y, written.y)


@pytest.mark.parametrize("threads, env", [(1, {"OMP_NUM_THREADS": "1"}), (2, {})])
def test_any_number_of_threads_decodes(written, threads, env, tmp_path):
    python(DECODE, written.folder, threads, tmp_path / "found.npz", **env)
    assert same(tmp_path / "found.npz", written) == xgboost.__version__


def test_without_neighbours_neither_library_is_imported(tiny_file):
    assert python(WITHOUT, tiny_file) == ""
