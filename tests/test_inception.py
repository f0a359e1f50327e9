"""The Inception of FID: torch-fidelity's, given the same numbers; refused without them."""

import hashlib
import sys
import urllib.error
import urllib.request
from dataclasses import replace

import numpy as np
import pytest
import torch

from hfx import distribution, torchvision_shim
from hfx.backbones import BACKBONES, find_backbone
from hfx.errors import WeightsError
from hfx.inception import EPSILON, FullInception, Inception, stretched


@pytest.fixture(scope="module")
def blank():
    """Makes torch-fidelity's network of given features, with random weights: no download."""
    torchvision_shim.ensure()
    theirs = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")

    def make(*features):
        kind = theirs.FeatureExtractorInceptionV3
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(theirs, "load_state_dict_from_url", lambda *_, **__: {})
            patch.setattr(kind, "load_state_dict", lambda *_: None)
            return kind("inception", list(features)).eval()

    return make


@pytest.fixture
def trunk():
    """The true trunk; a test must not download 95 MB."""
    if not find_backbone("inception_trunk"):
        pytest.skip(f"HFX_WEIGHTS names no folder with {BACKBONES['inception_trunk'].file}")
    return Inception


@pytest.fixture
def public_file(blank, tmp_path, monkeypatch):
    """A whole network of random numbers in the place of the public one, and the network."""
    network = blank("768", "2048")
    state = network.state_dict()
    for key, value in state.items():
        if "running_var" in key or key.endswith("bn.weight"):
            value.copy_(torch.rand_like(value) + 0.5)
        elif "running_mean" in key or key.endswith("bn.bias"):
            value.copy_(torch.randn_like(value) / 4)
    path = tmp_path / BACKBONES["inception"].file
    torch.save(state, path)
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(BACKBONES, "inception", replace(BACKBONES["inception"], sha256=sha))
    monkeypatch.setenv("HFX_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return path, network


@pytest.fixture
def offline(monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("HFX_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def random_pictures(*size):
    return torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)


def test_stretching_is_that_of_tensorflow_1():
    ramp = torch.arange(256.0)
    expected = (torch.arange(299) * 256 / 299).clamp_max(255)
    for axis, x in ((-1, ramp[None]), (-2, ramp[:, None])):
        torch.testing.assert_close(stretched(x, axis).ravel(), expected)


def unfolded(state):
    """The same convolutions, each followed by a BatchNorm that only adds the bias."""
    out = {}
    for key, value in state.items():
        name, _, part = key.rpartition(".")
        if part == "weight":
            out[f"{name}.conv.weight"] = value
        else:
            one = torch.ones_like(value)
            out |= {f"{name}.bn.bias": value, f"{name}.bn.weight": one}
            out |= {f"{name}.bn.running_mean": 0 * one, f"{name}.bn.running_var": one - EPSILON}
    return out


@pytest.mark.parametrize("size", [(256, 256), (299, 299), (100, 340)])
def test_features_are_those_of_torch_fidelity(trunk, blank, size):
    ours, theirs = trunk(), blank("64", "768")
    missing = theirs.load_state_dict(unfolded(ours.state_dict()), strict=False)
    assert not missing.unexpected_keys
    x = random_pictures(*size)
    with torch.inference_mode():
        first, last = theirs(x)
        torch.testing.assert_close(ours(x), last, atol=1e-5, rtol=1e-5)
        ours.feature = "64"
        torch.testing.assert_close(ours(x), first, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_fid_64_is_the_documented_value_of_torchmetrics(trunk, blank):
    """The example of FrechetInceptionDistance; its pictures follow on the network's own draws."""
    sets, network = [], trunk("64")
    torch.manual_seed(42)
    blank("64")
    for low, high in ((0, 200), (100, 255)):
        x = torch.randint(low, high, (100, 3, 299, 299), dtype=torch.uint8)
        with torch.inference_mode():
            sets.append(torch.cat([network(part) for part in x.split(10)]).numpy())
    assert distribution.frechet(*sets) == pytest.approx(12.6388, abs=5e-4)


def test_the_public_file_is_folded(public_file):
    _, theirs = public_file
    x = random_pictures(256, 256)
    with torch.inference_mode():
        expected, _ = theirs(x)
        assert expected.std() > 0.01
        torch.testing.assert_close(Inception()(x), expected, atol=1e-5, rtol=1e-4)


def test_the_whole_network_is_torch_fidelitys(public_file):
    _, theirs = public_file
    x = random_pictures(256, 256)
    with torch.inference_mode():
        torch.testing.assert_close(FullInception()(x), theirs(x)[1])


@pytest.mark.parametrize("kind", [Inception, FullInception])
def test_another_file_is_refused(public_file, kind):
    path, theirs = public_file
    torch.save({k: v + 1 for k, v in theirs.state_dict().items()}, path)
    with pytest.raises(WeightsError, match="not the expected network"):
        kind()


def test_other_numbers_in_the_trunk_are_refused(offline, tmp_path, blank):
    file = tmp_path / BACKBONES["inception_trunk"].file
    torch.save({"Conv2d_1a_3x3.weight": torch.zeros(32, 3, 3, 3)}, file)
    with pytest.raises(WeightsError, match="not the expected network"):
        Inception()


def test_without_weights_it_says_what_it_needs(offline, blank):
    for kind, what in ((Inception, "FID-768"), (FullInception, "FID")):
        with pytest.raises(WeightsError, match=f"^{what} unavailable: needs https://") as caught:
            kind()
        assert BACKBONES["inception"].file in str(caught.value)


def test_without_torch_fidelity_true_fid_is_unavailable(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    name = "torch_fidelity.feature_extractor_inceptionv3"
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(WeightsError, match="pip install torch-fidelity"):
        FullInception()


def test_it_is_never_trained(trunk):
    network = trunk()
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    assert np.isfinite(network(random_pictures(256, 256)).numpy()).all()
