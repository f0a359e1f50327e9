r"""The table of scales: 64 widths, log-spaced, shared by training (real t) and coding (integer t).

.. math:: \sigma_t = \sigma_{min} \exp(t \cdot STEP), \quad
          STEP = \ln(\sigma_{max} / \sigma_{min}) / (SCALES - 1)
"""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SCALES = 64
SCALE_MIN = 0.11  # at this width zero has a probability of 1 - 5.5e-6: narrower saves no bits
SCALE_MAX = 256.0
STEP = math.log(SCALE_MAX / SCALE_MIN) / (SCALES - 1)  # 0.123: neighbours differ by 13 %


class _ClampIndex(torch.autograd.Function):
    """Clamp to [0, SCALES - 1], letting through every gradient that leads back inside.

    A plain clamp kills the gradient outside, so an index that once strayed would stay there.
    """

    @staticmethod
    def forward(ctx: Any, t: Tensor) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(t)
        return t.clamp(0, SCALES - 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:  # noqa: ANN401
        (t,) = ctx.saved_tensors
        (grad,) = grads
        # Descent moves t by -grad: below 0 it may only rise (grad < 0), above 63 only fall.
        passes = ((t >= 0) | (grad < 0)) & ((t <= SCALES - 1) | (grad > 0))
        return grad * passes


def sigma_of_index(t: Tensor) -> Tensor:
    r"""Width of a real-valued table index, differentiable.

    .. math:: \sigma = \sigma_{min} \exp(STEP \cdot clamp(t, 0, SCALES - 1))

    Shapes:
        t: any, floating point, in table entries. Returns the same shape, in symbol steps.
    """
    clamped: Tensor = _ClampIndex.apply(t)
    return SCALE_MIN * torch.exp(clamped * STEP)


def index_of_sigma(sigma: Tensor) -> Tensor:
    r"""Real-valued table index of a width: `sigma_of_index` inverted, not clamped, not rounded.

    .. math:: t = \ln(\sigma / \sigma_{min}) / STEP

    Shapes:
        sigma: any, positive, in symbol steps. Returns the same shape, in table entries.
    """
    return torch.log(sigma / SCALE_MIN) / STEP


def scale_table() -> NDArray[np.float64]:
    """All widths, (SCALES,), float64, in symbol steps: what `pmf.build_tables` takes."""
    return SCALE_MIN * np.exp(np.arange(SCALES) * STEP)
