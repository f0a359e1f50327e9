import hashlib
import os
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hfx import image, perceptual, torchvision_shim
from hfx.backbones import BACKBONES, find_backbone, load_backbone
from hfx.errors import WeightsError
from hfx.perceptual import DISTS, LPIPS
from tests import vgg
from tests.synthetic import pictures


@pytest.fixture(scope="module")
def distance():
    return loaded("alexnet", "alex")


@pytest.fixture(scope="module")
def squeeze():
    return loaded("squeezenet", "squeeze")


def loaded(backbone, net):
    """Only with weights at hand: a test must not download 244 MB."""
    if not find_backbone(backbone):
        pytest.skip(f"HFX_WEIGHTS names no folder with {BACKBONES[backbone].file}")
    return LPIPS(net).eval()


def pair(seed=0, size=64):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 2, 3, size, size, generator=generator)


@pytest.mark.parametrize(("fixture", "net"), [("distance", "alex"), ("squeeze", "squeeze")])
def test_it_equals_the_lpips_package(fixture, net, request):
    distance = request.getfixturevalue(fixture)
    torchvision_shim.ensure()
    lpips = pytest.importorskip("lpips")
    theirs = lpips.LPIPS(net=net, pnet_rand=True, verbose=False).eval()
    features = load_backbone({"alex": "alexnet", "squeeze": "squeezenet"}[net])
    for key in theirs.net.state_dict():
        theirs.net.get_parameter(key).data = features["features." + key.partition(".")[2]]
    photographs = torch.stack([torch.from_numpy(p) for p in pictures(2)]).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        for x, x_hat in (pair(), pair(1, 95), (photographs[:1], photographs[1:])):
            expected = theirs(x * 2 - 1, x_hat * 2 - 1).ravel()
            torch.testing.assert_close(distance(x, x_hat), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("other", "published"), [("ex_p0", 0.722), ("ex_p1", 0.138)])
def test_the_example_pair_has_its_published_distance(distance, other, published):
    """`python lpips_2imgs.py` of github.com/richzhang/PerceptualSimilarity prints these values."""
    imgs = Path(os.environ.get("HFX_DATA", "")) / "PerceptualSimilarity" / "imgs"
    if not (imgs / "ex_ref.png").exists():
        pytest.skip("HFX_DATA holds no clone of github.com/richzhang/PerceptualSimilarity")
    x, x_hat = (
        torch.from_numpy(image.load(imgs / f"{name}.png").rgb).permute(2, 0, 1)[None] / 255
        for name in ("ex_ref", other)
    )
    with torch.inference_mode():
        assert float(distance(x, x_hat)) == pytest.approx(published, abs=5e-4)


def test_squeeze_is_the_documented_value_of_torchmetrics(squeeze):
    """The example of learned_perceptual_image_patch_similarity; its [-1, 1] is our [0, 1]."""
    torch.manual_seed(42)
    x, x_hat = torch.rand(10, 3, 100, 100), torch.rand(10, 3, 100, 100)
    with torch.inference_mode():
        assert float(squeeze(x, x_hat).mean()) == pytest.approx(0.1005, abs=5e-5)


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


@pytest.mark.parametrize(
    ("make", "what", "backbone"),
    [
        (LPIPS, "LPIPS", "alexnet"),
        (lambda: LPIPS("squeeze"), "LPIPS", "squeezenet"),
        (DISTS, "DISTS", "vgg16"),
    ],
)
def test_without_weights_it_refuses_and_says_what_it_needs(
    monkeypatch, tmp_path, make, what, backbone
):
    def offline(*args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("HFX_WEIGHTS", str(tmp_path / "nothing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", offline)
    with pytest.raises(WeightsError, match=f"^{what} unavailable: needs") as caught:
        make()
    assert BACKBONES[backbone].url in str(caught.value)
    assert "HFX_WEIGHTS" in str(caught.value)


def test_without_its_linear_heads_it_refuses(monkeypatch):
    monkeypatch.setattr(perceptual.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match="pip install lpips"):
        perceptual.linear_heads()
    with pytest.raises(WeightsError, match="pip install torchmetrics"):
        perceptual.dists_weights()


def test_other_numbers_are_refused(distance, monkeypatch):
    monkeypatch.setitem(BACKBONES, "alexnet", replace(BACKBONES["alexnet"], digest="0" * 64))
    with pytest.raises(WeightsError, match="not the expected network"):
        LPIPS()


def test_dists_takes_the_whole_public_file_and_no_other(monkeypatch, tmp_path):
    path = tmp_path / BACKBONES["vgg16"].file
    torch.save({**vgg.features(), "classifier.0.bias": torch.zeros(9)}, path)
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(BACKBONES, "vgg16", replace(BACKBONES["vgg16"], sha256=sha))
    monkeypatch.setenv("HFX_WEIGHTS", str(tmp_path))
    loaded = DISTS().trunk.state_dict()
    assert all(torch.equal(loaded[k[9:]], v) for k, v in vgg.features().items())
    torch.save(vgg.features(), path)
    with pytest.raises(WeightsError, match="not the expected network"):
        DISTS()


@pytest.mark.parametrize("size", [64, 51])
def test_dists_looks_at_what_torchmetrics_looks_at(size):
    x, ours = pair(size=size)[0], vgg.ours()
    with torch.inference_mode():
        found, expected = ours.features(x), vgg.theirs().forward_once(x)
    for f, g, stride in zip(found, expected, ours.strides, strict=True):
        torch.testing.assert_close(f, g, atol=1e-4, rtol=1e-4)
        assert f.shape[3] == -(-size // stride)
