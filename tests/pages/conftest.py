"""What the pages' tests share."""

import copy
from dataclasses import replace

import pytest
import torch


@pytest.fixture(scope="session")
def tiny_gan_codec(tiny_codec):
    """`tiny_codec` after a stage 2 that changed G's last convolution."""
    from hfx.codec import Codec

    second = copy.deepcopy(tiny_codec.weights.generator)
    with torch.no_grad():
        noise = torch.Generator().manual_seed(1)
        weight = second.tail.weight
        weight += 0.05 * torch.randn(weight.shape, generator=noise)
    return Codec(replace(tiny_codec.weights, gan=second, realism=0.75))
