"""Counting: known networks, and a picture of n cells costs n times one."""

import pytest
import torch
from torch import nn

from hfx.compressor import Compressor
from hfx.config import COMPACT, TINY
from hfx.macs import count, counted
from hfx.networks import encoder_of


def test_one_convolution():
    net = nn.Conv2d(3, 8, 3, padding=1)
    found = count(net, torch.zeros(1, 3, 10, 20))
    assert found.macs == 10 * 20 * 8 * 3 * 9
    assert found.parameters == 8 * 3 * 9 + 8
    assert found.read == 4 * found.parameters
    assert found.moved == 4 * 10 * 20 * (3 + 8)
    assert found.bytes == found.read + found.moved


def test_hooks_go():
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU())
    count(net, torch.zeros(1, 1, 2, 2))
    assert not any(module._forward_hooks for module in net.modules())


def test_cells_scale(tiny_codec):
    """What is counted on one cell and multiplied is what the whole would count."""
    found = counted(tiny_codec.weights, 128, 190)["E"]  # 2 x 3 cells
    whole = count(encoder_of(TINY), torch.zeros(1, 3, 128, 192))
    assert found.macs == whole.macs and found.moved == whole.moved and found.read == whole.read


def test_the_shipped_preset_is_as_small_as_it_says():
    """7.3 M parameters, about 4 GMAC for a crop of 256x256."""
    from hfx.export import freeze

    torch.manual_seed(0)
    found = counted(freeze(Compressor(COMPACT), {}), 256, 256)
    assert sum(stage.parameters for stage in found.values()) == pytest.approx(7.3e6, rel=0.01)
    assert sum(stage.macs for stage in found.values()) == pytest.approx(4.05e9, rel=0.02)
