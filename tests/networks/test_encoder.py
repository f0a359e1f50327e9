from dataclasses import replace

import pytest
import torch

from hfx.config import COMPACT, PAPER, TINY
from hfx.networks import Encoder, halo_of_encoder

# Figure 1 at the presets' depths, the first two with the linear path of version 1.0.0's weights;
# the depth is what reaches, widths only cost time
FLAT = replace(TINY, ladder=False, linear_path=True)
NARROW = [
    replace(FLAT, widths=(8, 8, 8), latent=8),
    replace(COMPACT, ladder=False, linear_path=True, deblock=True, widths=(8, 8, 8), latent=8),
    replace(PAPER, widths=(8, 8, 8, 8, 8), latent=8),
]


@pytest.mark.parametrize("arch", NARROW, ids=lambda a: a.name)
def test_e_halves_four_times(arch):
    assert Encoder(arch)(torch.rand(2, 3, 32, 64)).shape == (2, 8, 2, 4)


def reach(arch):
    """Picture columns that one latent depends on, as its gradient tells, and its own columns."""
    encoder = Encoder(arch)
    middle = halo_of_encoder(arch) // 16 + 2
    x = torch.rand(4, 3, 32, 16 * (2 * middle + 1), requires_grad=True)
    y = encoder(x)[:, :, :, middle]
    (y * torch.randn_like(y)).sum().backward()
    columns = x.grad.abs().sum((0, 1, 2)).nonzero().ravel()
    return int(columns.min()), int(columns.max()), 16 * middle


@pytest.mark.parametrize("arch", NARROW, ids=lambda a: a.name)
def test_the_halo_is_the_receptive_field(arch):
    first, last, own = reach(arch)
    halo = halo_of_encoder(arch)
    assert first == own - halo  # what lies one further out changes nothing, this pixel does
    assert last <= own + 15 + halo


@pytest.mark.parametrize("arch", NARROW, ids=lambda a: a.name)
def test_pixels_beyond_the_halo_change_no_bit(arch):
    encoder, halo = Encoder(arch), halo_of_encoder(arch)
    middle = halo // 16 + 2
    x = torch.rand(1, 3, 16, 16 * (2 * middle + 1))
    outside, inside = x.clone(), x.clone()
    outside[..., : 16 * middle - halo] = torch.rand_like(outside[..., : 16 * middle - halo])
    outside[..., 16 * middle + 16 + halo :] = 0.5
    inside[..., 16 * middle - halo + 2] += 1.0
    y, far, near = (encoder(v)[..., middle] for v in (x, outside, inside))
    assert torch.equal(y, far)
    assert not torch.equal(y, near)


def test_known_halos():
    assert [halo_of_encoder(arch) for arch in NARROW] == [64, 88, 34]


def test_the_linear_path_is_added():
    encoder, x = Encoder(FLAT), torch.rand(1, 3, 32, 32)
    without = Encoder(replace(FLAT, linear_path=False))
    without.load_state_dict(
        {k: v for k, v in encoder.state_dict().items() if not k.startswith("linear.")}
    )
    torch.testing.assert_close(encoder(x), without(x) + encoder.linear(x - 0.5))


def test_under_autocast_latents_stay_float32():
    with torch.autocast("cpu", torch.bfloat16):
        assert Encoder(FLAT)(torch.rand(1, 3, 32, 32)).dtype == torch.float32
