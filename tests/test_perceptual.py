import urllib.error
import urllib.request
from dataclasses import replace

import pytest
import torch

from hfx import perceptual, torchvision_shim
from hfx.backbones import BACKBONES, load_backbone
from hfx.errors import WeightsError
from hfx.perceptual import LPIPS
from tests.synthetic import pictures


@pytest.fixture(scope="module")
def distance():
    """Only with weights at hand: a test must not download 244 MB."""
    import os
    from pathlib import Path

    root = os.environ.get("HFX_WEIGHTS")
    if not root or not (Path(root) / BACKBONES["alexnet"].file).exists():
        pytest.skip("HFX_WEIGHTS names no folder with alexnet_features.pth")
    return LPIPS().eval()


def pair(seed=0, size=64):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 2, 3, size, size, generator=generator)


def test_it_equals_the_lpips_package(distance, capsys):
    torchvision_shim.ensure()
    lpips = pytest.importorskip("lpips")
    theirs = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    features = load_backbone("alexnet")
    for key in theirs.net.state_dict():
        theirs.net.get_parameter(key).data = features["features." + key.partition(".")[2]]
    photographs = torch.stack([torch.from_numpy(p) for p in pictures(2)]).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        for x, x_hat in (pair(), pair(1, 95), (photographs[:1], photographs[1:])):
            expected = theirs(x * 2 - 1, x_hat * 2 - 1).ravel()
            torch.testing.assert_close(distance(x, x_hat), expected, atol=1e-5, rtol=0)


def test_it_is_a_distance(distance):
    x, x_hat = pair()
    with torch.inference_mode():
        assert distance(x, x).tolist() == [0, 0]
        assert (distance(x, x_hat) > 0).all()
        torch.testing.assert_close(distance(x, x_hat), distance(x_hat, x))


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_constant_pictures_have_a_finite_gradient(distance, level):
    x = torch.full((1, 3, 64, 64), level)
    for x_hat in (x.clone(), 1 - x):
        x_hat.requires_grad_()
        distance(x, x_hat).sum().backward()
        assert torch.isfinite(x_hat.grad).all()


def test_the_gradient_leads_towards_the_original(distance):
    x, x_hat = (v[:1] for v in pair())
    x_hat.requires_grad_()
    before = distance(x, x_hat)
    before.sum().backward()
    step = 0.02 * x_hat.grad / x_hat.grad.abs().max()
    assert distance(x, x_hat.detach() - step) < before


def test_nothing_in_it_is_trained(distance):
    assert not any(p.requires_grad for p in distance.parameters())


def test_under_autocast_it_stays_close(distance):
    x, x_hat = pair()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        coarse = distance(x, x_hat)
    assert coarse.dtype == torch.float32
    with torch.inference_mode():
        torch.testing.assert_close(coarse, distance(x, x_hat), rtol=0.03, atol=0)


def test_without_weights_it_refuses_and_says_what_it_needs(monkeypatch, tmp_path):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("HFX_WEIGHTS", str(tmp_path / "nothing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", offline)
    with pytest.raises(WeightsError) as caught:
        LPIPS()
    assert BACKBONES["alexnet"].url in str(caught.value)
    assert "HFX_WEIGHTS" in str(caught.value)


def test_without_its_linear_heads_it_refuses(monkeypatch):
    monkeypatch.setattr(perceptual.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match="pip install lpips"):
        perceptual.linear_heads()


def test_other_numbers_are_refused(distance, monkeypatch):
    monkeypatch.setitem(BACKBONES, "alexnet", replace(BACKBONES["alexnet"], digest="0" * 64))
    with pytest.raises(WeightsError, match="not the expected network"):
        LPIPS()
