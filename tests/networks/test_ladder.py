"""The ladder: a block transform at the start, whose blocks are the only way to be better."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hfx.config import COMPACT, TINY
from hfx.data import patches_of
from hfx.networks import (
    LadderEncoder,
    LadderGenerator,
    encoder_of,
    generator_of,
    halo_of_encoder,
    halo_of_generator,
)
from hfx.networks.ladder import Block, start_at_pca
from tests.synthetic import loud, pictures

# the depth is what reaches; widths only cost time
NARROW = [
    replace(TINY, widths=(8, 8, 8), latent=8),
    replace(COMPACT, widths=(8, 8, 8), latent=8),
    replace(COMPACT, widths=(8, 8, 8), latent=8, encoder_blocks=(2, 0, 1),
            generator_blocks=(0, 2, 1)),
]  # fmt: skip
TIER = torch.zeros(1)
IDS = ("tiny", "compact", "odd")


def test_sizes_and_parameters():
    E, G = LadderEncoder(COMPACT), LadderGenerator(COMPACT)
    x = torch.rand(1, 3, 64, 32)
    y = E(x)
    assert y.shape == (1, 192, 4, 2)
    assert G(y, TIER).shape == x.shape
    parameters = sum(p.numel() for network in (E, G) for p in network.parameters())
    assert parameters == 5_417_196


@pytest.mark.parametrize("arch", NARROW, ids=IDS)
def test_the_halo_of_e_is_its_receptive_field(arch):
    E, halo = loud(encoder_of(arch)), halo_of_encoder(arch)
    middle = halo // 16 + 2
    x = torch.rand(4, 3, 32, 16 * (2 * middle + 1), requires_grad=True)
    y = E(x)[:, :, :, middle]
    (y * torch.randn_like(y)).sum().backward()
    columns = x.grad.abs().sum((0, 1, 2)).nonzero().ravel()
    assert int(columns.min()) == 16 * middle - halo
    assert int(columns.max()) == 16 * middle + 15 + halo


@pytest.mark.parametrize("arch", NARROW, ids=IDS)
def test_the_halo_of_g_is_its_receptive_field(arch):
    G, halo = loud(generator_of(arch)), halo_of_generator(arch)
    middle = halo + 2
    y_hat = torch.randn(4, 8, 2, 2 * middle + 1, requires_grad=True)
    x_hat = G(y_hat, torch.zeros(4))[..., 16 * middle : 16 * middle + 16]
    (x_hat * torch.randn_like(x_hat)).sum().backward()
    columns = y_hat.grad.abs().sum((0, 1, 2)).nonzero().ravel()
    assert (int(columns.min()), int(columns.max())) == (middle - halo, middle + halo)


def test_known_halos():
    assert [halo_of_encoder(arch) for arch in (TINY, COMPACT)] == [32, 56]
    assert [halo_of_generator(arch) for arch in (TINY, COMPACT)] == [3, 6]


def test_the_start_is_a_truncated_transform_and_its_mirror():
    """As good as the principal components of whole 16x16 blocks, or nearly."""
    arch = replace(TINY, widths=(48, 64, 64), latent=48)
    E, G, patches = LadderEncoder(arch), LadderGenerator(arch), patches_of(pictures())
    std, unit = start_at_pca(E, G, patches)
    x = torch.stack([torch.from_numpy(p[:128, :128].copy()).permute(2, 0, 1) for p in pictures()])
    x = x / 255
    with torch.inference_mode():
        y = E(x)
        x_hat = G(y, torch.zeros(len(x)))

    flat = patches.reshape(-1, 768) / 255 - 0.5
    values, vectors = np.linalg.eigh(flat.T @ flat)
    basis = torch.from_numpy(vectors[:, ::-1][:, :48].copy()).float()
    blocks = torch.nn.functional.unfold(x - 0.5, 16, stride=16)  # (N, 768, blocks)
    lost = blocks - basis @ (basis.T @ blocks)
    ours, best = (float(-10 * v.square().mean().log10()) for v in (x - x_hat, lost))
    assert best - 0.5 < ours <= best + 0.1  # dB
    assert (std.diff() <= 1e-6).all() and (unit >= std).all()
    deviations = y.std((0, 2, 3))
    expected = (std / unit).clamp_min(0.02)
    assert (deviations / expected).log().abs().median() < 0.5


def test_the_start_depends_on_pictures_and_seed_alone():
    made = []
    for _ in range(2):
        torch.manual_seed(3)
        E, G = LadderEncoder(TINY), LadderGenerator(TINY)
        start_at_pca(E, G, patches_of(pictures()))
        made.append([*E.state_dict().values(), *G.state_dict().values()])
    assert all(torch.equal(a, b) for a, b in zip(*made, strict=True))


@pytest.mark.parametrize("latent", [16, 48, 60])  # fewer than the widths, as many, more
def test_every_weight_can_learn_from_the_start(latent):
    """Spare channels, quiet convolutions and gains: none of them is stuck at zero for good."""
    arch = replace(TINY, latent=latent)
    E, G = LadderEncoder(arch), LadderGenerator(arch)
    std, unit = start_at_pca(E, G, patches_of(pictures()))
    assert std.shape == unit.shape == (latent,) and std.min() >= 0 and unit.min() > 0
    optimizer = torch.optim.SGD([*E.parameters(), *G.parameters()], lr=1e-3)
    for _ in range(2):
        x = torch.rand(3, 3, 64, 64)
        optimizer.zero_grad()
        (G(E(x), torch.tensor([0.0, 1.0, 2.0])) - x).square().mean().backward()
        optimizer.step()
    for network in (E, G):
        for name, p in network.named_parameters():
            assert p.grad is not None and p.grad.abs().max() > 0, name


def test_a_tier_s_gain_scales_what_its_block_adds():
    block, f = loud(Block(8, tiers=3)), torch.randn(2, 8, 4, 4)
    with torch.no_grad():
        block.log_gain[2] = 0.7
    low, high = (block(f, torch.full((2,), tier)) - f for tier in (0.0, 2.0))
    torch.testing.assert_close(high, low * np.exp(0.7), rtol=1e-4, atol=1e-5)
    between = block(f, torch.full((2,), 1.5)) - f
    torch.testing.assert_close(between, low * np.exp(0.35), rtol=1e-4, atol=1e-5)


def test_under_autocast_only_the_blocks_are_rounded():
    """The sum of trunk and blocks keeps float32: silent blocks give the very same picture."""
    E, G = LadderEncoder(TINY), LadderGenerator(TINY)
    with torch.no_grad():
        for network in (E, G):
            for module in network.modules():
                if hasattr(module, "last"):
                    module.last.weight.zero_()
    x = torch.rand(1, 3, 32, 32)
    y = E(x)
    x_hat = G(y, TIER)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(E(x), y) and torch.equal(G(y, TIER), x_hat)


def test_under_autocast_blocks_run_in_bfloat16():
    E, seen = loud(LadderEncoder(TINY)), []
    last = E.stages[-1][0].last
    last.register_forward_hook(lambda module, inputs, out: seen.append(out.dtype))
    x = torch.rand(1, 3, 32, 32)
    exact = E(x)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = E(x)
    assert seen == [torch.float32, torch.bfloat16]
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, rtol=0.05, atol=0.05)
