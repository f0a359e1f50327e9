r"""Differentiable rates: how many bits the coder will need, for training.

Both laws are integrated over the unit bin around v, which at integers is the coder's own
probability and at uniform noise its continuous relaxation:

.. math:: bits = -\log_2 (F(v + 1/2) - F(v - 1/2))

Written naively the difference underflows a few widths from the centre and its gradient is
0 / 0. Here everything stays in the log domain, in float32, out to |v| of 1e4 and further.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

# Above this many bits the coder escapes, and what it pays grows like log |v|, not like v^2.
# The rate bends to a logarithm there: value and slope are continuous, the pull never vanishes.
ESCAPE_BITS = 24.0

_SQRT_HALF = math.sqrt(0.5)
_SQRT_HALF_PI = math.sqrt(0.5 * math.pi)


class _GaussianNats(torch.autograd.Function):
    r"""-log P of a unit bin under a zero-mean Gaussian, with its analytic gradient.

    With u = (|v| - 1/2) / sigma, w = (|v| + 1/2) / sigma, d = |v| / sigma^2 = (w^2 - u^2) / 2:
    phi(w) = phi(u) exp(-d), hence P = phi(u) K with
    K = sqrt(pi / 2) (erfcx(u / sqrt 2) - exp(-d) erfcx(w / sqrt 2)), and phi(u) cancels from
    every gradient. Automatic differentiation of log_ndtr would subtract numbers near u^2 / 2.
    """

    @staticmethod
    def forward(ctx: Any, v: Tensor, sigma: Tensor) -> Tensor:  # noqa: ANN401
        a = v.abs()
        u, w = (a - 0.5) / sigma, (a + 0.5) / sigma
        # Tail, u >= 0: scaled complementary error functions do not underflow.
        u_pos = u.clamp_min(0)
        inner = torch.special.erfcx(u_pos * _SQRT_HALF)
        outer = torch.special.erfcx(w * _SQRT_HALF) * torch.exp(-a / sigma**2)
        tail = inner - outer
        # Centre, u < 0: both terms are positive, nothing cancels.
        centre = 0.5 * (torch.erf(w * _SQRT_HALF) + torch.erf(-u * _SQRT_HALF))
        u_neg = u.clamp_max(0)
        phi = torch.exp(-0.5 * u_neg**2) / math.sqrt(2 * math.pi)

        in_tail = u >= 0
        nats = torch.where(in_tail, 0.5 * u_pos**2 - torch.log(0.5 * tail), -torch.log(centre))
        phi_over_p = torch.where(in_tail, 1 / (_SQRT_HALF_PI * tail), phi / centre)
        ctx.save_for_backward(v, sigma, phi_over_p)
        return nats

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        v, sigma, phi_over_p = ctx.saved_tensors
        (grad,) = grads
        a = v.abs()
        u, w, d = (a - 0.5) / sigma, (a + 0.5) / sigma, a / sigma**2
        slope = grad * phi_over_p / sigma
        return slope * v.sign() * -torch.expm1(-d), -slope * (u - w * torch.exp(-d))


def _at_least_float32(v: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """Broadcast together, and leave bfloat16: its 8 bits cannot hold a tail."""
    dtype = torch.promote_types(torch.promote_types(v.dtype, width.dtype), torch.float32)
    v, width = torch.broadcast_tensors(v.to(dtype), width.to(dtype))
    return v, width


def gaussian_bits(v: Tensor, sigma: Tensor) -> Tensor:
    r"""Bits of each element under a zero-mean Gaussian integrated over unit bins: r(y) of Eq. 5.

    .. math:: x = -\log_2 \left(\Phi\left(\frac{1/2 - |v|}{\sigma}\right)
              - \Phi\left(\frac{-1/2 - |v|}{\sigma}\right)\right), \quad
              bits = x \text{ if } x \le 24 \text{ else } 24 (1 + \ln(x / 24))

    Shapes:
        v: any, residual in symbol steps, noisy or rounded.
        sigma: broadcastable to v, in symbol steps, from 0.1 to 1000.
        Returns the broadcast shape, bits, float32 or wider.
    """
    nats: Tensor = _GaussianNats.apply(*_at_least_float32(v, sigma))
    x = nats / math.log(2)
    beyond = ESCAPE_BITS * (1 + torch.log(x.clamp_min(ESCAPE_BITS) / ESCAPE_BITS))
    return torch.where(x <= ESCAPE_BITS, x, beyond)


def logistic_bits(v: Tensor, s: Tensor) -> Tensor:
    r"""Bits of each element under a zero-mean logistic integrated over unit bins.

    The difference of two sigmoids, factored so that no term cancels (S is softplus); the tails
    are linear, 1 / (s ln 2) bits a step:

    .. math:: bits = \left(S\left(\frac{|v| - 1/2}{s}\right) + S\left(-\frac{|v| + 1/2}{s}\right)
              - \ln(1 - e^{-1/s})\right) / \ln 2

    Shapes:
        v: any, residual in symbol steps, noisy or rounded.
        s: broadcastable to v, in symbol steps, from 0.1 to 1000.
        Returns the broadcast shape, bits, float32 or wider.
    """
    v, s = _at_least_float32(v, s)
    a = v.abs()
    nats = softplus((a - 0.5) / s) + softplus(-(a + 0.5) / s) - torch.log(-torch.expm1(-1 / s))
    return nats / math.log(2)
