import pytest
import torch
from torch import nn

from hfx.config import NORMS
from hfx.networks.layers import ChannelNorm, ResidualBlock, down, norm_of, pick_tier, up

NORM_LAYERS = (ChannelNorm, nn.InstanceNorm2d, nn.BatchNorm2d, nn.Identity)


def test_channel_norm_is_its_formula():
    x = torch.randn(2, 8, 5, 7) * 3 + 1
    norm = ChannelNorm(8)
    torch.nn.init.normal_(norm.norm.weight)
    torch.nn.init.normal_(norm.norm.bias)
    mu, var = x.mean(1, keepdim=True), x.var(1, keepdim=True, correction=0)
    gamma, beta = (p[:, None, None] for p in (norm.norm.weight, norm.norm.bias))
    torch.testing.assert_close(norm(x), gamma * (x - mu) / (var + 1e-3).sqrt() + beta)


def test_channel_norm_sees_one_pixel_only():
    x = torch.randn(1, 8, 6, 6)
    changed = x.clone()
    changed[0, :, 2, 3] += torch.randn(8)
    differs = (ChannelNorm(8)(x) != ChannelNorm(8)(changed)).any(1)[0]
    assert differs.nonzero().tolist() == [[2, 3]]


def test_channel_norm_does_not_care_how_memory_is_laid_out():
    x, norm = torch.randn(2, 8, 4, 4), ChannelNorm(8)
    torch.testing.assert_close(norm(x), norm(x.to(memory_format=torch.channels_last)))


@pytest.mark.parametrize(("kind", "over"), [("instance", (2, 3)), ("batch", (0, 2, 3))])
def test_other_norms_are_their_formula(kind, over):
    x = torch.randn(3, 8, 5, 7) * 3 + 1
    mu, var = x.mean(over, keepdim=True), x.var(over, keepdim=True, correction=0)
    torch.testing.assert_close(norm_of(kind, 8)(x), (x - mu) / (var + 1e-3).sqrt())


def test_norms_learn_a_scale_and_a_shift_per_channel():
    sizes = {k: sum(p.numel() for p in norm_of(k, 8).parameters()) for k in NORMS}
    assert sizes == {"channel": 16, "instance": 16, "batch": 16, "none": 0}


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="layer"):
        norm_of("layer", 8)


@pytest.mark.parametrize("make", [lambda n: ResidualBlock(8, n), lambda n: down(8, 8, n),
                                  lambda n: up(8, 8, n)])  # fmt: skip
@pytest.mark.parametrize("kind", NORMS)
def test_every_block_takes_every_norm(make, kind):
    expected = type(norm_of(kind, 8))
    block = make(kind)
    assert block(torch.randn(2, 8, 8, 8)).isfinite().all()
    found = [m for m in block.modules() if isinstance(m, NORM_LAYERS)]
    assert found and all(type(m) is expected for m in found)


def test_residual_block_without_its_body_is_the_identity():
    block, x = ResidualBlock(8), torch.randn(1, 8, 6, 6)
    torch.nn.init.zeros_(block.body[-1].norm.weight)
    assert torch.equal(block(x), x)


def test_residual_block_reaches_two_pixels():
    x = torch.randn(1, 8, 9, 9, requires_grad=True)
    ResidualBlock(8)(x)[0, :, 4, 4].square().sum().backward()
    rows = x.grad.abs().sum((0, 1, 3)).nonzero().ravel().tolist()
    assert rows == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("side", [2, 8, 14])
def test_down_halves_and_up_doubles(side):
    x = torch.randn(1, 4, side, 2 * side)
    halved = down(4, 6)(x)
    assert halved.shape == (1, 6, side // 2, side)
    assert up(6, 4)(halved).shape == x.shape


def test_tiers_are_interpolated_geometrically():
    L = torch.randn(3, 5)
    picked = pick_tier(L, torch.tensor([0.0, 2.0, 0.5, 1.25]))
    assert picked.shape == (4, 5, 1, 1)
    gains = picked.exp()[:, :, 0, 0]
    g = L.exp()
    torch.testing.assert_close(gains[0], g[0])
    torch.testing.assert_close(gains[1], g[2])
    torch.testing.assert_close(gains[2], (g[0] * g[1]).sqrt())
    torch.testing.assert_close(gains[3], g[1] ** 0.75 * g[2] ** 0.25)


def test_beyond_the_tiers_the_end_segments_go_on():
    L = torch.tensor([[0.0], [1.0], [4.0]])
    picked = pick_tier(L, torch.tensor([-1.0, 3.0])).ravel()
    assert picked.tolist() == [-1.0, 7.0]


def test_a_single_tier_serves_any_position():
    L = torch.randn(1, 5)
    assert torch.equal(pick_tier(L, torch.tensor([0.0, 0.7]))[:, :, 0, 0], L.expand(2, -1))


def test_both_neighbours_of_a_position_learn():
    L = torch.zeros(3, 5, requires_grad=True)
    pick_tier(L, torch.tensor([0.25])).sum().backward()
    assert L.grad[:, 0].tolist() == [0.75, 0.25, 0.0]
