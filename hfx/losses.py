"""Eq. 1, Eq. 5 and Eq. 6: each a named function."""

from torch import Tensor
from torch.nn import functional as F


def mse255(x: Tensor, x_hat: Tensor) -> Tensor:
    """Return the mean squared error on the 0 to 255 scale, the scale of k_M, per picture (N,)."""
    return ((x - x_hat) * 255).square().mean((1, 2, 3))


def distortion(mse: Tensor, perceptual: Tensor, k_M: float, k_P: float) -> Tensor:
    r"""Eq. 6's :math:`d(x, x') = k_M \text{MSE} + k_P \text{LPIPS}`, per picture (N,)."""
    return k_M * mse + k_P * perceptual


def rate_distortion(zeta: Tensor, bpp: Tensor, d: Tensor) -> Tensor:
    r"""Eq. 5, :math:`E[\zeta r(y) + d(x, x')]`; inputs (N,), a scalar out."""
    return (zeta * bpp + d).mean()


def fooling(logits_fake: Tensor) -> Tensor:
    r"""Eq. 1's generator side, non-saturating: :math:`E[-\log D(x', y)]` from D's logits."""
    return F.softplus(-logits_fake).mean()


def spotting(logits_real: Tensor, logits_fake: Tensor) -> Tensor:
    r"""Eq. 1's discriminator side: :math:`E[-\log D(x, y)] + E[-\log(1 - D(x', y))]`."""
    return F.softplus(-logits_real).mean() + F.softplus(logits_fake).mean()
