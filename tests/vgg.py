"""DISTS with random weights in VGG16, ours and torchmetrics': the real ones are 528 MB."""

from functools import cache
from types import SimpleNamespace
from unittest.mock import patch

import pytest
import torch

from hfx import perceptual, torchvision_shim


@cache
def features():
    """Parameters `features.*` that keep the size of what passes through."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for key, value in perceptual.vgg16().state_dict().items():
        fan_in = value[0].numel() if value.dim() == 4 else 100
        drawn = torch.randn(value.shape, generator=generator)
        state[f"features.{key}"] = drawn * (2 / fan_in) ** 0.5
    return state


def ours():
    with patch.object(perceptual, "load_backbone", lambda *_: features()):
        return perceptual.DISTS().eval()


def theirs():
    torchvision_shim.ensure()
    dists = pytest.importorskip("torchmetrics.functional.image.dists")
    vgg = pytest.importorskip("torchvision.models.vgg")
    layers = vgg.make_layers(vgg.cfgs["D"])
    layers.load_state_dict({k.removeprefix("features."): v for k, v in features().items()})
    with patch.object(dists, "vgg16", lambda weights: SimpleNamespace(features=layers)):
        return dists.DISTSNetwork().eval()
