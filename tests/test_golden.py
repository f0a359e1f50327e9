"""Files written once, on one machine: every machine decodes the same symbols from them.

HFX_REGENERATE=1 writes them anew, after a deliberate change of format or of the prior.
"""

import json
import os
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hfx import bitstream, image, weights
from hfx.codec import Codec, load
from hfx.entropy.pmf import build_tables
from hfx.entropy.scales import scale_table

GOLDEN = Path(__file__).parent / "golden"
WEIGHTS = GOLDEN / "tiny.safetensors"
EXPECTED = GOLDEN / "expected.json"
NAMES = ("photo", "grey_alpha", "pixel", "photo_knn", "photo_xgb", "thin_xgb")
HELP = "tests/golden is incomplete; write it with HFX_REGENERATE=1"


def crc(array):
    return zlib.crc32(np.ascontiguousarray(array.astype("<i4")).tobytes())


def facts(codec, data):
    """What must be the same everywhere, as numbers to compare."""
    latents = codec.read(bitstream.read(data))
    names = ("z", "y", "mu", "index")
    return {"level": latents.level} | {name: crc(getattr(latents, name)) for name in names}


@pytest.fixture(scope="module")
def golden(portrait):
    if os.environ.get("HFX_REGENERATE"):
        regenerate(portrait)
    if not WEIGHTS.exists():
        pytest.fail(HELP)
    return load(WEIGHTS)


def regenerate(portrait):
    """Write weights, files, decoded pictures and what is expected of them."""
    from hfx.compressor import Compressor
    from hfx.config import TINY
    from hfx.data import patches_of
    from hfx.export import freeze

    torch.manual_seed(0)
    arch = replace(TINY, name="golden", widths=(8, 8, 8), latent=8, hyper=4)
    model = Compressor(arch).eval()
    model.warm_start(patches_of([portrait]), (120.0, 80.0, 50.0))
    with torch.no_grad():
        model.hyper_analysis.stack[-1].weight.mul_(20)
        for stack in (model.hyper_synthesis.mean, model.hyper_synthesis.scale):
            stack[-1].weight.mul_(10)
    frozen = freeze(model, {"step": 0})
    narrow = np.minimum(scale_table(), 4)  # the full tables are 300 kB; what is wider escapes
    prior = replace(
        frozen.prior,
        tables_y=build_tables("gaussian", narrow),
        tables_z=build_tables("logistic", narrow),
    )
    weights.save(replace(frozen, prior=prior, fingerprint=prior.fingerprint()), WEIGHTS)

    fit_neighbours(portrait)
    codec, expected = load(WEIGHTS), {}
    photo = Image.fromarray(portrait[60:124, 180:260])
    alpha = Image.linear_gradient("L").resize((40, 30))
    grey = photo.convert("L").crop((0, 0, 40, 30))
    grey.putalpha(alpha)
    files = {
        "photo": (photo, 50, "none"),
        "grey_alpha": (grey, 33, "none"),
        "pixel": (photo.crop((3, 3, 4, 4)), 97, "none"),
        "photo_knn": (photo, 61, "knn"),
        "photo_xgb": (photo, 61, "xgb"),
        "thin_xgb": (photo.crop((5, 0, 6, 61)), 90, "xgb"),
    }
    for name, (source, quality, kind) in files.items():
        data = codec.compress(source, quality=quality, neighbours=kind)
        (GOLDEN / f"{name}.hfx").write_bytes(data)
        codec.decompress(data).save(GOLDEN / f"{name}.png")
        expected[name] = facts(codec, data)
    EXPECTED.write_text(json.dumps(expected, indent=1) + "\n")


def fit_neighbours(portrait):
    """Fit both neighbour models to the portrait itself: small, but they say something."""
    from hfx.neighbours import samples, store
    from hfx.neighbours.chain import Chain
    from hfx.neighbours.fit import Knobs, fit_boosted
    from hfx.neighbours.fit_nearest import Votes, fit_nearest
    from hfx.neighbours.plan import Plan

    codec, plan = load(WEIGHTS, "none"), Plan(window=5)
    tables = codec.weights.prior.tables_y
    latents = samples.latents_of(codec, [portrait, portrait[::-1].copy()])
    parts = [samples.windows_of([one], tables, plan, Chain.of(tables), 3000) for one in latents]
    models = [
        fit_boosted(tables, plan, *parts, Knobs(rounds=4, depth=3))[0],
        fit_nearest(tables, plan, *parts, Votes(points=200))[0],
    ]
    for model in models:
        path = WEIGHTS.with_name(f"tiny.{model.kind}.safetensors")
        store.save(model, path, codec.weights.fingerprint, {})


def test_neighbour_models_code_the_same_symbols(golden):
    streams = [
        bitstream.read((GOLDEN / f"photo_{kind}.hfx").read_bytes()) for kind in ("knn", "xgb")
    ]
    assert [stream.header.neighbours for stream in streams] == ["knn", "xgb"]
    assert streams[0].header.symbols_crc == streams[1].header.symbols_crc
    assert streams[0].y != streams[1].y


@pytest.mark.parametrize("name", NAMES)
def test_symbols_are_the_same_everywhere(golden, name):
    data = (GOLDEN / f"{name}.hfx").read_bytes()
    assert facts(golden, data) == json.loads(EXPECTED.read_text())[name]


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_the_same_to_a_grey_level(golden, name):
    decoded = golden.decompress((GOLDEN / f"{name}.hfx").read_bytes())
    expected = Image.open(GOLDEN / f"{name}.png")
    assert (decoded.mode, decoded.size) == (expected.mode, expected.size)
    difference = np.asarray(decoded, int) - np.asarray(expected, int)
    assert np.abs(difference).max() <= 1


def test_the_symbols_say_something(golden):
    latents = golden.read(bitstream.read((GOLDEN / "photo.hfx").read_bytes()))
    assert np.unique(latents.y).size > 5 and np.unique(latents.z).size > 2
    assert np.unique(latents.index).size > 5 and np.unique(latents.mu).size > 50


def test_weights_written_anew_are_the_same_weights(golden, tmp_path):
    weights.save(golden.weights, tmp_path / "again.safetensors")
    assert load(tmp_path / "again.safetensors").weights.fingerprint == golden.weights.fingerprint


def test_the_folder_stays_small():
    assert sum(path.stat().st_size for path in GOLDEN.iterdir()) < 300_000


def test_encoding_needs_no_golden_machine(golden):
    """E is floating point: another machine may write other symbols, but it reads its own."""
    photo = image.load(GOLDEN / "photo.png")
    analysis = golden.analyse(photo)
    latents = golden.quantize(analysis, 256)
    assert isinstance(golden, Codec)
    again = golden.read(bitstream.read(golden.write(analysis, latents)))
    np.testing.assert_array_equal(again.y, latents.y)
