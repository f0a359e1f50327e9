"""Eq. 1, Eq. 5 and Eq. 6: each a named function."""

import torch
from torch import Tensor
from torch.nn import functional as F

GRIDS = (4, 8, 16)  # pixels: of G's last PixelShuffle, and of the stages before it
FAINT = 8 / 255  # high-pass deviation below which patterns count no more than there
SMOOTH = 2.0  # grey levels in 4 pixels: steeper slopes hide what is wrong with them


def mse255(x: Tensor, x_hat: Tensor) -> Tensor:
    """Return the mean squared error on the 0 to 255 scale, the scale of k_M, per picture (N,)."""
    return ((x - x_hat) * 255).square().mean((1, 2, 3))


def distortion(mse: Tensor, perceptual: Tensor, k_M: float, k_P: float) -> Tensor:
    r"""Eq. 6's :math:`d(x, x') = k_M \text{MSE} + k_P \text{LPIPS}`, per picture (N,)."""
    return k_M * mse + k_P * perceptual


def unevenness(x: Tensor, x_hat: Tensor) -> Tensor:
    r"""Squared error of slopes, where the picture itself is smooth, per picture (N,).

    .. math:: \text{mean} \left[ \frac{(\nabla \bar x' - \nabla \bar x)^2}
        {1 + |\nabla \bar x|^2 / s^2} \right], \quad \bar x = x \text{ averaged over 4x4 pixels}

    Not in the paper. MSE and LPIPS hardly mind steps of two grey levels between the 16x16 blocks
    of a sky, the eye does: it forgives them in texture alone, hence the quotient. Averaging keeps
    the steps and takes the grain away, which is not to be smoothed.
    """
    x, x_hat = (F.avg_pool2d(v.float() * 255, 4) for v in (x, x_hat))
    total = x.new_zeros(x.shape[0])
    for axis in (2, 3):
        slope = x.diff(dim=axis)
        wrong = (x_hat.diff(dim=axis) - slope).square()
        forgiven = 1 + slope.square().mean(1, keepdim=True) / SMOOTH**2
        total = total + (wrong / forgiven).mean((1, 2, 3))
    return total / 2


def high_pass(x: Tensor) -> Tensor:
    """Return grey less its 5x5 mean, (N, 3, H, W) to (N, H, W): edges, texture and dots."""
    grey = x.float().mean(1, keepdim=True)
    return (grey - F.avg_pool2d(grey, 5, 1, 2, count_include_pad=False))[:, 0]


def phase_means(v: Tensor, period: int) -> Tensor:
    """Return the mean at each place of a grid of period x period pixels.

    Shapes: (N, H, W), H and W multiples of the period, to (N, period, period).
    """
    n, h, w = v.shape
    return v.reshape(n, h // period, period, w // period, period).mean((1, 3))


def grid_error(x: Tensor, x_hat: Tensor) -> Tensor:
    r"""Dots and blocks: how far the high-pass picture depends on the place in a grid, (N,).

    .. math:: \sum_{P \in \{4, 8, 16\}} \text{mean}_p \, m_p^2 / \sigma^2

    with m_p the mean of the high-pass of x' - x over all pixels at place p of a grid of P x P
    pixels, and sigma the deviation of the high-pass of x'. Not in the paper. PixelShuffle gives
    each place of its grid weights of its own, and neither MSE nor LPIPS minds a faint dot at one
    of them; the eye finds any pattern that repeats.
    """
    wrong = high_pass(x_hat - x)
    sigma2 = high_pass(x_hat.detach()).var((1, 2)) + FAINT**2
    means = (phase_means(wrong, period).square().mean((1, 2)) for period in GRIDS)
    return sum(means, torch.zeros_like(sigma2)) / sigma2


def rate_distortion(zeta: Tensor, bpp: Tensor, d: Tensor) -> Tensor:
    r"""Eq. 5, :math:`E[\zeta r(y) + d(x, x')]`; inputs (N,), a scalar out."""
    return (zeta * bpp + d).mean()


def fooling(logits_fake: Tensor) -> Tensor:
    r"""Eq. 1's generator side, non-saturating, and Eq. 6's last: :math:`E[-\log D(x', y)]`."""
    return F.softplus(-logits_fake).mean()


def spotting(logits_real: Tensor, logits_fake: Tensor) -> Tensor:
    r"""Eq. 1's discriminator side: :math:`E[-\log D(x, y)] + E[-\log(1 - D(x', y))]`."""
    return F.softplus(-logits_real).mean() + F.softplus(logits_fake).mean()
