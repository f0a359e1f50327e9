import torch
from torch import nn

from hfx.config import TINY
from hfx.entropy.scales import sigma_of_index
from hfx.networks import HyperAnalysis, HyperSynthesis


def test_z_is_four_times_smaller_and_comes_back():
    y = torch.randn(2, TINY.latent, 8, 12)
    z = HyperAnalysis(TINY)(y)
    assert z.shape == (2, TINY.hyper, 2, 3)
    mu, t = HyperSynthesis(TINY)(z)
    assert mu.shape == t.shape == y.shape


def test_synthesis_holds_only_what_integers_can_do():
    kinds = {type(m) for m in HyperSynthesis(TINY).modules()}
    assert kinds == {HyperSynthesis, nn.Sequential, nn.ConvTranspose2d, nn.ReLU, nn.Conv2d}


def test_it_starts_at_the_widths_it_is_given():
    synthesis = HyperSynthesis(TINY)
    sigma = torch.linspace(0.2, 20, TINY.latent)
    synthesis.start_at(sigma)
    z = torch.randint(-2, 3, (1, TINY.hyper, 2, 2)).float()
    answered = sigma_of_index(synthesis(z)[1])
    ratio = answered / sigma[:, None, None]
    assert 0.9 < ratio.min() and ratio.max() < 1.1


def test_mean_and_scale_share_no_parameter():
    synthesis = HyperSynthesis(TINY)
    synthesis(torch.randn(1, TINY.hyper, 2, 2))[0].sum().backward()
    assert all(p.grad is not None for p in synthesis.mean.parameters())
    assert all(p.grad is None for p in synthesis.scale.parameters())
