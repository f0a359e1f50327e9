"""From a run to weights: tiers land at their rates, and the codec spends what the model said."""

import copy
import json

import numpy as np
import pytest
import torch
from PIL import Image

from hfx import bitstream, checkpoint, tiles
from hfx import export as module
from hfx.codec import Codec
from hfx.config import TIERS, Training
from hfx.data import held_out
from hfx.errors import HfxError, WeightsError
from hfx.export import analyse, calibrate, export, freeze, integers, mean_rate, rebase
from hfx.image import load
from tests.synthetic import run_of


@pytest.fixture(scope="module")
def pictures(portrait):
    return [portrait[:256, :320], portrait[250:, 100:400]]


@pytest.fixture(scope="module")
def targets(tiny_model, pictures):
    """Rates in reach, between those of the tiers."""
    latents = analyse(tiny_model, pictures)
    rates = [mean_rate(tiny_model, latents, tier) for tier in (0.0, 1.0, 2.0)]
    assert rates == sorted(rates)
    return [0.9 * rates[0], (rates[0] * rates[1]) ** 0.5, rates[1] * 1.1]


@pytest.fixture
def run(tiny_model, tmp_path):
    """A folder like those of `hfx train`."""
    tensors = checkpoint.gather("average", tiny_model)
    meta = {
        "architecture": tiny_model.arch.to_dict(),
        "settings": Training(preset="tiny").to_dict(),
        "step": 12,
        "seconds": 90.0,
    }
    checkpoint.write(tmp_path / "checkpoint.safetensors", tensors, meta)
    return tmp_path


def test_calibration_meets_the_targets(tiny_model, pictures, targets):
    positions = calibrate(tiny_model, pictures, targets)
    assert positions == sorted(positions)
    latents = analyse(tiny_model, pictures)
    for position, target in zip(positions, targets, strict=True):
        assert mean_rate(tiny_model, latents, position) == pytest.approx(target, rel=0.03)


@pytest.mark.parametrize("target", [1e-6, 1e6])
def test_targets_out_of_reach_are_refused(tiny_model, pictures, target):
    with pytest.raises(HfxError, match="out of reach"):
        calibrate(tiny_model, pictures, [target])


def test_rebased_tiers_are_the_positions(tiny_model, pictures):
    model, positions = copy.deepcopy(tiny_model), [-0.4, 0.8, 2.3]
    latents = analyse(model, pictures)
    y_hat = torch.randn(1, model.arch.latent, 4, 4)
    want = [(mean_rate(model, latents, p), model.generator(y_hat, torch.tensor([p])))
            for p in positions]  # fmt: skip
    rebase(model, positions)
    for tier, (rate, x_hat) in enumerate(want):
        assert mean_rate(model, latents, float(tier)) == pytest.approx(rate, rel=1e-4)
        again = model.generator(y_hat, torch.tensor([float(tier)]))
        torch.testing.assert_close(again, x_hat, rtol=1e-4, atol=1e-4)


def test_the_codec_spends_what_the_model_said(tiny_model, tiny_codec, pictures):
    for tier in (0, 2):
        picture = pictures[0]
        said = mean_rate(tiny_model, analyse(tiny_model, [picture]), float(tier))
        data = tiny_codec.compress(picture, TIERS[tier])
        container = 40
        pixels = picture.shape[0] * picture.shape[1]
        assert 8 * (len(data) - container) / pixels == pytest.approx(said, rel=0.02)


def test_freezing_leaves_the_model_alone(tiny_model):
    before = {k: v.clone() for k, v in tiny_model.state_dict().items()}
    frozen = freeze(tiny_model, {})
    next(frozen.encoder.parameters()).data.add_(1)
    assert all(torch.equal(v, before[k]) for k, v in tiny_model.state_dict().items())


def test_integers_are_rounded_to_the_grid():
    np.testing.assert_array_equal(integers(torch.tensor([0.5, -1.26, 3.0]), 1), [1, -3, 6])


def test_export_of_a_run(run, tmp_path, portrait):
    out = tmp_path / "out.safetensors"
    written = export(run, out, about={"data": "one portrait"})
    assert written.about["step"] == 12 and written.about["minutes"] == 1.5
    assert written.about["data"] == "one portrait"
    json.dumps(written.about)
    codec = Codec(written)
    assert codec.decompress(codec.compress(portrait[:100, :80])).size == (80, 100)
    assert export(run / "checkpoint.safetensors", out).fingerprint == written.fingerprint


def test_export_calibrates_on_held_out_pictures(run, tmp_path, portrait, targets, monkeypatch):
    names = [f"{i}.png" for i in range(200)]
    folder = tmp_path / "pictures"
    folder.mkdir()
    held = next(name for name in names if held_out(name))
    Image.fromarray(portrait[:256, :320]).save(folder / held)
    Image.fromarray(np.zeros_like(portrait)).save(folder / next(n for n in names if n != held))

    monkeypatch.setattr(module, "RATE_TARGETS", dict(zip(TIERS, targets, strict=True)))
    written = export(run, tmp_path / "out.safetensors", [folder])
    assert len(written.about["tier_positions"]) == 3
    codec = Codec(written)
    picture = load(folder / held)
    for tier, target in zip(written.arch.tiers, targets, strict=True):
        data = codec.compress(picture.rgb, tier)
        container = len(data) - sum(map(len, chunks(data)))
        bpp = 8 * (len(data) - container) / (256 * 320)
        assert bpp == pytest.approx(target, rel=0.05)


def chunks(data):
    stream = bitstream.read(data)
    return stream.z, stream.y, stream.escapes_z, stream.escapes_y


def test_a_missing_run(tmp_path):
    with pytest.raises(WeightsError, match="does not exist"):
        export(tmp_path / "no-run", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_a_norm_that_sees_more_than_a_pixel_makes_no_weights(tmp_path, norm):
    run = run_of(changes={"norm": norm})
    run.save(tmp_path / "checkpoint.safetensors")
    with pytest.raises(WeightsError, match=f"norm {norm} makes no codec.*channel or none"):
        export(tmp_path, tmp_path / "w.safetensors")
    assert not (tmp_path / "w.safetensors").exists()


def test_without_a_norm_tiles_still_give_what_the_whole_gives(tmp_path, portrait):
    run = run_of(changes={"norm": "none"})
    run.save(tmp_path / "checkpoint.safetensors")
    codec = Codec(export(tmp_path, tmp_path / "w.safetensors"))
    rgb = portrait[:192, :256]
    whole, cut = (tiles.analyse(codec.weights.encoder, codec.halo_e, rgb, t) for t in (96, 4))
    torch.testing.assert_close(whole, cut, atol=1e-4, rtol=1e-4)
