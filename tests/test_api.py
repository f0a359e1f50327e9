"""The functions everyone calls: the shipped weights' codec, and what a file holds."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import hfx
from hfx import api, bitstream


@pytest.fixture
def tiny(tiny_codec, monkeypatch):
    """The public functions with tiny weights in place of the shipped ones."""
    monkeypatch.setattr(api, "shipped", lambda: tiny_codec)


def test_a_path_an_array_a_picture_and_bytes_are_one(tiny, photo, tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    files = {
        hfx.compress(source)
        for source in (photo, Image.fromarray(photo), path, str(path), path.read_bytes())
    }
    assert len(files) == 1
    assert hfx.decompress(files.pop()).size == (128, 96)


def test_wishes_reach_the_codec(tiny, tiny_codec, photo):
    assert hfx.compress(photo) == hfx.compress(photo, tier="medium")
    assert hfx.compress(photo, tier="low") == tiny_codec.compress(photo, quality=20)
    assert hfx.compress(photo, quality=80) == hfx.compress(photo, "high")
    assert len(hfx.compress(photo, target_bytes=900)) <= 900
    bpp = 8 * len(hfx.compress(photo, target_bpp=0.8)) / photo[..., 0].size
    assert bpp == pytest.approx(0.8, rel=0.03)
    with pytest.raises(hfx.HfxError, match="choose one"):
        hfx.compress(photo, "low", quality=3)
    with pytest.raises(hfx.HfxError, match="no neighbour model 'svm'"):
        hfx.compress(photo, neighbours="svm")
    with pytest.raises(hfx.WeightsError, match="`hfx fit-neighbours --kind xgb`"):
        hfx.compress(photo, neighbours="xgb")
    with pytest.raises(hfx.BitstreamError, match="limit"):
        hfx.decompress(hfx.compress(photo), max_pixels=100)
    with pytest.raises(hfx.ImageError, match="128 x 96 pixels, over the limit of 12287"):
        hfx.compress(photo, max_pixels=128 * 96 - 1)
    assert hfx.compress(photo, max_pixels=128 * 96) == hfx.compress(photo)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_info(tiny, tiny_codec, photo, mode):
    picture = Image.fromarray(photo).convert(mode)
    if mode.endswith("A"):
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    data = hfx.compress(picture, quality=33)
    facts = hfx.info(data)
    assert (facts["width"], facts["height"], facts["mode"]) == (128, 96, mode)
    assert facts["bytes"] == len(data) == sum(facts["chunks"].values())
    assert facts["bpp"] == pytest.approx(8 * len(data) / (128 * 96))
    assert facts["quality"] == pytest.approx(33, abs=0.06)
    assert facts["model"] == tiny_codec.weights.fingerprint.hex()
    assert facts["neighbours"] == "none" and facts["version"] == 1
    assert (facts["chunks"]["alpha"] > 0) == mode.endswith("A")
    assert hfx.decompress(data).mode == mode


def test_info_needs_no_weights_and_refuses_garbage(monkeypatch, tiny_codec, photo):
    monkeypatch.setattr(api, "shipped", lambda: pytest.fail("weights were loaded"))
    hfx.info(tiny_codec.compress(photo))
    with pytest.raises(hfx.BitstreamError):
        hfx.info(b"HFX\x01 and so on")


def test_info_of_any_size(tiny_codec, photo):
    """Nothing is decoded, so nothing is too large."""
    stream = bitstream.read(tiny_codec.compress(photo))
    side = bitstream.MAX_SIDE
    huge = replace(stream, header=replace(stream.header, width=side, height=side))
    assert hfx.info(bitstream.write(huge))["width"] == side


def test_weights_are_loaded_once(monkeypatch):
    loads = []
    monkeypatch.setattr(api.codec, "load", lambda: loads.append(1) or object())
    api.shipped.cache_clear()
    try:
        assert api.shipped() is api.shipped()
        assert len(loads) == 1
    finally:
        api.shipped.cache_clear()


def test_importing_hfx_imports_no_torch():
    code = "import sys, hfx; hfx.HfxError; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_every_public_name_is_there():
    for name in hfx.__all__:
        assert getattr(hfx, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'compres'"):
        _ = hfx.compres


# --- the weights that hfx comes with


def test_shipped_weights_serve_three_tiers(shipped, portrait):
    lengths, errors = [], []
    for tier in ("low", "medium", "high"):
        data = shipped.compress(portrait, tier)
        decoded = np.asarray(shipped.decompress(data), float)
        lengths.append(len(data))
        errors.append(float(np.square(decoded - portrait).mean()))
    assert lengths == sorted(set(lengths))
    assert errors == sorted(errors, reverse=True)
    assert errors[1] < 200  # 25 dB at medium


def test_shipped_weights_meet_sizes(shipped, photo):
    medium = len(shipped.compress(photo))
    within = shipped.compress(photo, target_bytes=round(medium * 0.8))
    assert 0.95 * 0.8 * medium <= len(within) <= round(0.8 * medium)
