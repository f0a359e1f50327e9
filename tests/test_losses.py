import math

import torch

from hfx.config import RATE_TARGETS, Losses
from hfx.losses import (
    distortion,
    fooling,
    grid_error,
    high_pass,
    mse255,
    phase_means,
    rate_distortion,
    spotting,
    unevenness,
)


def logits(*probabilities):
    """What D must output for sigmoid(D) to be these."""
    return torch.logit(torch.tensor(probabilities, dtype=torch.float64)).reshape(-1, 1, 1, 1)


def test_mse_is_on_the_scale_of_grey_levels_and_per_picture():
    x = torch.zeros(2, 3, 4, 4)
    x_hat = torch.stack([torch.full((3, 4, 4), 2 / 255), torch.full((3, 4, 4), -5 / 255)])
    torch.testing.assert_close(mse255(x, x_hat), torch.tensor([4.0, 25.0]))


def test_mse_and_psnr_agree():
    x, x_hat = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    psnr = -10 * (x - x_hat).square().mean().log10()
    torch.testing.assert_close(psnr, 10 * (255**2 / mse255(x, x_hat)[0]).log10())


def test_equation_1():
    real, fake = logits(0.9, 0.6), logits(0.2, 0.3)
    spotted = -(math.log(0.9) + math.log(0.6)) / 2 - (math.log(0.8) + math.log(0.7)) / 2
    assert math.isclose(float(spotting(real, fake)), spotted)
    assert math.isclose(float(fooling(fake)), -(math.log(0.2) + math.log(0.3)) / 2)


def test_equation_1_is_non_saturating():
    """A generator that D sees through gets a full gradient: that of -log D, not of log(1 - D)."""
    logit = torch.tensor([-20.0], requires_grad=True)
    fooling(logit).backward()
    assert math.isclose(float(logit.grad), -1, rel_tol=1e-6)


def test_equation_1_bears_a_judge_that_is_sure():
    sure = torch.tensor([1e4, -1e4])
    assert torch.isfinite(spotting(sure, sure)) and torch.isfinite(fooling(sure))


def test_equation_5():
    zeta, bpp = torch.tensor([2.0, 0.5]), torch.tensor([0.3, 0.4])
    d = torch.tensor([1.0, 3.0])
    expected = ((2.0 * 0.3 + 1.0) + (0.5 * 0.4 + 3.0)) / 2
    assert math.isclose(float(rate_distortion(zeta, bpp, d)), expected, rel_tol=1e-6)


def test_equation_6_s_distortion():
    d = distortion(torch.tensor([100.0]), torch.tensor([0.25]), k_M=0.01, k_P=2.0)
    assert math.isclose(float(d), 0.01 * 100 + 2 * 0.25)


def test_unevenness_sees_steps_in_a_sky_and_forgives_them_in_texture():
    sky = torch.full((1, 3, 64, 64), 0.5)
    texture = torch.rand(1, 3, 16, 16).repeat_interleave(4, 2).repeat_interleave(4, 3)
    step = torch.zeros(1, 3, 64, 64)
    step[..., 16:32] = 4 / 255
    # two edges of 4 grey levels in every row of 16 cells, no other slope is wrong
    expected = torch.tensor([2 * 4.0**2 / 15 / 2])
    torch.testing.assert_close(unevenness(sky, sky + step), expected, rtol=1e-4, atol=0)
    assert unevenness(texture, texture + step) < 0.02 * expected
    assert unevenness(sky, sky + 4 / 255) < 1e-6  # a shift of the whole is MSE's affair


def test_unevenness_leaves_grain_alone():
    sky = torch.full((1, 3, 64, 64), 0.5)
    grain = (torch.arange(64 * 64).reshape(64, 64) + torch.arange(64)[:, None]) % 2 * 8 / 255
    assert unevenness(sky, sky + grain) < 1e-6


def test_the_high_pass_is_grey_less_its_5x5_mean():
    x = torch.zeros(1, 3, 16, 16)
    x[..., 8, 8] = 1
    out = high_pass(x)
    assert out.shape == (1, 16, 16)
    assert math.isclose(float(out[0, 8, 8]), 1 - 1 / 25, rel_tol=1e-5)
    assert math.isclose(float(out[0, 6, 10]), -1 / 25, rel_tol=1e-5)
    assert float(out[0, 8, 11]) == 0
    assert float(high_pass(torch.full((1, 3, 16, 16), 0.7)).abs().max()) < 1e-6  # edges, too


def test_phase_means_are_means_over_the_places_of_a_grid():
    v = torch.rand(2, 32, 48)
    means = phase_means(v, 16)
    assert means.shape == (2, 16, 16)
    torch.testing.assert_close(means[1, 3, 5], v[1, 3::16, 5::16].mean())


def test_dots_on_a_grid_are_seen_and_the_same_dots_elsewhere_are_not():
    x = torch.rand(1, 3, 128, 128)
    dots, scattered = torch.zeros(1, 3, 128, 128), torch.zeros(128 * 128)
    dots[..., 1::4, 2::4] = 0.1
    scattered[torch.randperm(128 * 128)[: 32 * 32]] = 0.1
    on, off = grid_error(x, x + dots), grid_error(x, x + scattered.view(1, 1, 128, 128))
    assert on.shape == (1,) and float(on) > 10 * float(off) > 0
    assert float(grid_error(x, x)) == 0


def test_the_grid_s_gradient_takes_the_dots_away():
    x = torch.rand(1, 3, 64, 64)
    x_hat = x.clone()
    x_hat[..., ::4, ::4] += 0.1
    x_hat.requires_grad_()
    grid_error(x, x_hat).sum().backward()
    assert (x_hat.grad[..., ::4, ::4][..., 2:-2, 2:-2] > 0).all()


def test_hific_s_constants():
    losses = Losses()
    assert losses.k_M == 0.075 * 2**-5  # on the 0 to 255 scale
    assert losses.alpha == 0.15
    assert RATE_TARGETS == {"low": 0.14, "medium": 0.30, "high": 0.45}
    assert losses.rate_targets == (0.14, 0.30, 0.45)


def test_the_rate_weights_are_pinned():
    """They multiply the rate in bits per pixel; no port's 1 / lambda, no factor elsewhere."""
    losses = Losses()
    assert losses.zeta_a == (8.0, 4.0, 2.0)
    assert losses.zeta_b == (1.0, 0.5, 0.25)
    bpp = torch.tensor([0.3], requires_grad=True)
    rate_distortion(torch.tensor(losses.zeta_a[1:2]), bpp, torch.zeros(1)).backward()
    assert float(bpp.grad) == 4.0
