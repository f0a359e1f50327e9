from dataclasses import replace

import pytest
import torch

from hfx.config import COMPACT, PAPER, TINY
from hfx.networks import Generator, halo_of_generator

# Figure 1 at the presets' depths, the first two with the linear path of version 1.0.0's weights;
# the depth is what reaches, widths only cost time
FLAT = replace(TINY, ladder=False, linear_path=True)
NARROW = [
    replace(FLAT, widths=(8, 8, 8), latent=8),
    replace(COMPACT, ladder=False, linear_path=True, deblock=True, widths=(8, 8, 8), latent=8),
    replace(PAPER, widths=(8, 8, 8, 8, 8), latent=8),
]
BLIND = replace(NARROW[1], deblock=False)
TIER = torch.zeros(1)


@pytest.mark.parametrize("arch", NARROW, ids=lambda a: a.name)
def test_g_gives_sixteen_times_the_size(arch):
    tier = torch.zeros(2)
    assert Generator(arch)(torch.randn(2, 8, 2, 3), tier).shape == (2, 3, 32, 48)


@pytest.mark.parametrize("arch", NARROW, ids=lambda a: a.name)
def test_the_halo_is_the_receptive_field(arch):
    generator, halo = Generator(arch), halo_of_generator(arch)
    middle = halo + 2
    y_hat = torch.randn(1, 8, 2, 2 * middle + 1, requires_grad=True)
    x_hat = generator(y_hat, TIER)[..., 16 * middle : 16 * middle + 16]
    (x_hat * torch.randn_like(x_hat)).sum().backward()
    columns = y_hat.grad.abs().sum((0, 1, 2)).nonzero().ravel()
    assert middle - halo <= int(columns.min())
    assert int(columns.max()) == middle + halo  # transposed convolutions look to the right


@pytest.mark.parametrize("arch", NARROW, ids=lambda a: a.name)
def test_latents_beyond_the_halo_change_no_bit(arch):
    generator, halo = Generator(arch), halo_of_generator(arch)
    middle = halo + 2
    y_hat = torch.randn(1, 8, 1, 2 * middle + 1)
    outside, inside = y_hat.clone(), y_hat.clone()
    outside[..., : middle - halo] = 9.0
    outside[..., middle + halo + 1 :] = 9.0
    inside[..., middle + 1] += 1.0
    x_hat, far, near = (
        generator(v, TIER)[..., 16 * middle : 16 * middle + 16] for v in (y_hat, outside, inside)
    )
    assert torch.equal(x_hat, far)
    assert not torch.equal(x_hat, near)


def test_known_halos():
    assert [halo_of_generator(arch) for arch in NARROW] == [4, 8, 21]


def test_the_tier_reaches_the_picture_through_its_gain():
    generator, y_hat = Generator(FLAT), torch.randn(1, 48, 2, 2)
    at = [generator(y_hat, torch.tensor([tier])) for tier in (0.0, 1.0)]
    assert torch.equal(*at)  # gains start equal
    with torch.no_grad():
        generator.log_gain[1] += 1
    assert not torch.equal(at[1], generator(y_hat, torch.tensor([1.0])))
    assert torch.equal(at[0], generator(y_hat, torch.tensor([0.0])))


def test_each_picture_of_a_batch_has_its_own_tier():
    generator, y_hat = Generator(FLAT), torch.randn(2, 48, 2, 2)
    torch.nn.init.normal_(generator.log_gain)
    tiers = torch.tensor([0.5, 2.0])
    both = generator(y_hat, tiers)
    for n in range(2):
        alone = generator(y_hat[n : n + 1], tiers[n : n + 1])
        torch.testing.assert_close(both[n : n + 1], alone)


def test_a_new_look_at_the_linear_picture_changes_nothing_yet():
    seeing, blind = Generator(NARROW[1]), Generator(BLIND)
    blind.load_state_dict({k: v for k, v in seeing.state_dict().items() if k != "look.weight"})
    y_hat = torch.randn(1, 8, 2, 2)
    assert torch.equal(seeing(y_hat, TIER), blind(y_hat, TIER))


def test_the_look_reaches_the_finest_stage():
    generator, y_hat = Generator(NARROW[1]), torch.randn(1, 8, 2, 2)
    before = generator(y_hat, TIER)
    torch.nn.init.normal_(generator.look.weight)
    after = generator(y_hat, TIER)
    assert not torch.equal(before, after)
    torch.nn.init.zeros_(generator.linear.weight)
    torch.nn.init.zeros_(generator.linear.bias)
    unseen = generator(y_hat, TIER)
    torch.nn.init.zeros_(generator.look.weight)
    assert torch.equal(unseen, generator(y_hat, TIER))  # it looks at the linear picture alone
