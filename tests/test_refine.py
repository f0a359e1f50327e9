import copy
import urllib.error
import urllib.request
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from typer.testing import CliRunner

from hfx import bitstream, image, refine
from hfx.backbones import find_backbone
from hfx.cli import app
from hfx.codec import Codec
from hfx.errors import HfxError, WeightsError
from hfx.refine import STEPS, Objective, Refiner, cores, weights_of, zeta_of
from hfx.tiles import Span, spans


def distance(x, x_hat):
    """Errors that survive blurring: it asks for other symbols than MSE does, as LPIPS would."""
    return (F.avg_pool2d(x - x_hat, 3).square().mean((1, 2, 3)) + 1e-6).sqrt()


@pytest.fixture
def refiner(tiny_codec):
    return Refiner(tiny_codec.weights, distance, 5)


@pytest.fixture(scope="module")
def analysis(tiny_codec, portrait):
    return tiny_codec.analyse(image.load(np.ascontiguousarray(portrait[40:240, 100:260])))


def whole(refiner, analysis, start, symbols):
    """The objective of a whole picture, as one tile."""
    rows, columns = (Span(0, n, 0, n) for n in symbols.shape[1:])
    objective = Objective(
        refiner, analysis.picture.rgb, analysis.y, start.side, symbols, rows, columns
    )
    return objective.whole(objective.symbols)


def test_efforts_are_steps(tiny_codec):
    assert tiny_codec.refiner(0) is None
    assert STEPS[0] == 0 and list(STEPS) == sorted(STEPS)
    for effort in (-1, len(STEPS), 1.5):
        with pytest.raises(HfxError, match=f"effort goes from 0 to 3, not {effort}"):
            tiny_codec.compress(np.zeros((8, 8, 3), np.uint8), effort=effort)


def test_without_lpips_it_refuses_and_says_what_to_do(tiny_codec, photo, monkeypatch, tmp_path):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("HFX_WEIGHTS", str(tmp_path / "nothing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", offline)
    refine.lpips.cache_clear()
    with pytest.raises(WeightsError, match="needs LPIPS; leave it at 0, or: .*alexnet"):
        tiny_codec.compress(photo, effort=1)
    assert tiny_codec.compress(photo, effort=0)


@pytest.mark.parametrize("tile", [48, 7])
@pytest.mark.parametrize("level", [0, 300])
def test_the_objective_falls_and_symbols_hardly_move(
    refiner, tiny_codec, analysis, level, tile, monkeypatch
):
    monkeypatch.setattr(refine, "TILE", tile)
    start, fine = (tiny_codec.quantize(analysis, level, r) for r in (None, refiner))
    before, after = (whole(refiner, analysis, start, v.y) for v in (start, fine))
    assert after < before
    moved = np.abs(fine.y - start.y)
    assert 0 < moved.mean() < 0.2 and moved.max() == 1
    for name in ("z", "mu", "index"):
        assert np.array_equal(getattr(fine, name), getattr(start, name))


def test_what_would_make_it_worse_is_not_kept(refiner, tiny_codec, analysis, monkeypatch):
    monkeypatch.setattr(refine, "RATE", 5.0)  # far too long a step
    start, fine = (tiny_codec.quantize(analysis, 256, r) for r in (None, refiner))
    assert np.array_equal(start.y, fine.y)


def test_refined_files_decode(refiner, tiny_codec, analysis):
    fine = tiny_codec.quantize(analysis, 256, refiner)
    data = tiny_codec.write(analysis, fine)
    assert np.array_equal(tiny_codec.read(bitstream.read(data)).y, fine.y)
    assert tiny_codec.decompress(data).size == (160, 200)
    again = tiny_codec.quantize(analysis, 256, refiner)
    assert tiny_codec.write(analysis, again) == data


def test_bits_are_paid_for(refiner, tiny_codec, analysis, monkeypatch):
    monkeypatch.setattr(refine, "ZETA", dict.fromkeys(refine.ZETA, 1e3))
    start, fine = (tiny_codec.quantize(analysis, 256, r) for r in (None, refiner))
    assert len(tiny_codec.write(analysis, fine)) < len(tiny_codec.write(analysis, start))


def test_a_tile_shows_the_pixels_of_the_whole_picture(tiny_codec, analysis):
    shown = []
    spy = Refiner(
        tiny_codec.weights,
        lambda *pair: shown.append(pair) or distance(*pair),
        1,
    )
    start, halo = tiny_codec.quantize(analysis, 256), tiny_codec.halo_g
    whole(spy, analysis, start, start.y)
    (x, x_hat), (h, w) = shown.pop(), start.y.shape[1:]
    for rows, columns in product(spans(h, 7, 2 * halo), spans(w, 3, 2 * halo)):
        tile = Objective(spy, analysis.picture.rgb, analysis.y, start.side, start.y, rows, columns)
        tile.whole(tile.symbols[tile.inside])
        top, left = (16 * max(0, axis.core_from - halo) for axis in (rows, columns))
        for seen, all_of_it in zip(shown.pop(), (x, x_hat), strict=True):
            theirs = all_of_it[..., top : top + seen.shape[2], left : left + seen.shape[3]]
            assert torch.allclose(seen, theirs, atol=1e-5)


def test_of_two_generators_the_usual_one_is_asked(tiny_codec, analysis):
    symbols = tiny_codec.quantize(analysis, 256).y
    other = copy.deepcopy(tiny_codec.weights.generator)
    with torch.no_grad():
        other.tail.bias += 0.2

    def refined(**weights):
        codec = Codec(replace(tiny_codec.weights, **weights))
        return codec.quantize(analysis, 256, Refiner(codec.weights, distance, 5)).y

    alone, swapped = refined(), refined(generator=other)
    assert not np.array_equal(alone, symbols) and not np.array_equal(alone, swapped)
    assert np.array_equal(refined(gan=other, realism=0.4), alone)
    assert np.array_equal(refined(gan=other, realism=0.5), swapped)


def test_tiles_are_of_about_one_size():
    for length in range(4, 400, 4):
        tiles = cores(length, 6)
        sizes = [tile.core_to - tile.core_from for tile in tiles]
        assert sum(sizes) == length and max(sizes) <= refine.TILE
        assert len(tiles) == 1 or min(sizes) >= refine.TILE // 3


def test_small_pictures_are_left_as_they_are(refiner, tiny_codec, portrait):
    analysis = tiny_codec.analyse(image.load(np.ascontiguousarray(portrait[:95, :300])))
    start, fine = (tiny_codec.quantize(analysis, 256, r) for r in (None, refiner))
    assert np.array_equal(start.y, fine.y)


def test_weights_of_the_losses_are_those_of_training(tiny_codec):
    assert weights_of(tiny_codec.weights) == (0.075 * 2**-5, 2.0, 0.0)  # where nothing is stated
    assert zeta_of(("low", "medium", "high"), 256) == pytest.approx(refine.ZETA["medium"])
    assert zeta_of(("low", "medium", "high"), 128) == pytest.approx(8**0.5)
    assert zeta_of(("high",), 0) == pytest.approx(refine.ZETA["high"])


def test_with_lpips(tiny_codec, portrait):
    if not find_backbone("alexnet"):
        pytest.skip("HFX_WEIGHTS names no folder with AlexNet's features")
    refine.lpips.cache_clear()
    picture = np.ascontiguousarray(portrait[40:200, 140:300])
    plain = tiny_codec.compress(picture, tier="medium")
    fine = tiny_codec.compress(picture, tier="medium", effort=1)
    assert tiny_codec.compress(picture, tier="medium", effort=0) == plain != fine
    apart = {}
    for name, data in (("plain", plain), ("fine", fine)):
        pair = (image.to_tensor(np.asarray(p)) for p in (picture, tiny_codec.decompress(data)))
        apart[name] = float(refine.lpips()(*pair))
    assert apart["fine"] < apart["plain"]
    bound = len(plain) - 40
    held = tiny_codec.compress(picture, target_bytes=bound, effort=1)
    assert 0.9 * bound < len(held) <= bound


def test_the_command_refuses_an_effort_that_is_none_once(tiny_file, tmp_path, photo, monkeypatch):
    monkeypatch.setenv("HFX_MODEL", str(tiny_file))
    for name in ("a.png", "b.png"):
        Image.fromarray(photo).save(tmp_path / name)
    result = CliRunner().invoke(app, ["compress", str(tmp_path), "--effort", "4"])
    assert result.exit_code == 2
    assert result.stderr == "hfx: effort goes from 0 to 3, not 4\n"
    assert not list(tmp_path.rglob("*.hfx"))
