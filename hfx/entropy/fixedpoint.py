r"""Exact inference: a small convolutional network whose outputs are integers, the same everywhere.

Weights and activations are integers held in float64. A convolution is a sum of products, each an
integer; while every partial sum stays below 2^53, float64 represents it exactly, so the order of
summation, fused multiply-adds, the number of threads and the make of the machine cannot show.
The bound is proved layer by layer, from the weights, when a layer is built.

Activations live on a grid of 2^-ACT_BITS, clamped to +-2^20 (+-1024 in real units). One layer:

.. math:: a' = clamp(relu(\lfloor (W * a + b) \, 2^{-shift} + 1/2 \rfloor))

`interpolate_log2` and `exp2_fixed` do the same for the gains: 2^L without a floating-point number.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

ACT_BITS = 10  # activations are multiples of 2^-10
ACT_LIMIT = 1 << 20  # largest magnitude of an activation, in grid steps
LOG2_BITS = 16  # log2 of a gain is stored in units of 2^-16
LEVELS = 256  # positions from one tier to the next

_WEIGHT_LIMIT = (1 << 15) - 1  # 16 bits with the sign: as fine as trained weights deserve
_MAX_SHIFT = 20  # keeps biases, on a grid of 2^-(shift + ACT_BITS), inside int32
_EXACT = 1 << 52  # a factor of two below what float64 counts exactly, for the added rounding half


@dataclass(frozen=True, eq=False)
class FixedConv:
    """One convolution on integers, with its rounding and an optional ReLU.

    Shapes:
        weight: (C_out, C_in, k, k), or (C_in, C_out, k, k) if transposed; integers in float64.
        bias: (C_out,), integers in float64, in units of 2^-(shift + ACT_BITS).

    Raises:
        ValueError: a value is no integer, or a sum could leave the exact range.
    """

    weight: Tensor
    bias: Tensor
    shift: int
    stride: int = 1
    padding: int = 0
    transposed: bool = False
    output_padding: int = 0
    relu: bool = False

    def __post_init__(self) -> None:
        for name, values in (("weight", self.weight), ("bias", self.bias)):
            if values.dtype != torch.float64 or not torch.equal(values, values.floor()):
                raise ValueError(f"{name} must hold integers in float64")
        if not 1 <= self.shift <= 52:
            raise ValueError(f"shift must be from 1 to 52, got {self.shift}")
        bound = _accumulator_bound(self.weight, self.bias, self.transposed)
        if bound >= _EXACT:
            raise ValueError(f"sums may reach 2^{math.log2(bound):.1f}: not exact in float64")

    def __call__(self, act: Tensor) -> Tensor:
        """(N, C_in, H, W) -> (N, C_out, H', W'), integers in float64, magnitude up to 2^20."""
        if self.transposed:
            acc = functional.conv_transpose2d(
                act, self.weight, self.bias, self.stride, self.padding, self.output_padding
            )
        else:
            acc = functional.conv2d(act, self.weight, self.bias, self.stride, self.padding)
        # Add the half before scaling: an integer sum and a power of two, both exact.
        out = torch.floor((acc + 2.0 ** (self.shift - 1)) * 2.0**-self.shift)
        return out.clamp(0 if self.relu else -ACT_LIMIT, ACT_LIMIT)


def _accumulator_bound(weight: Tensor, bias: Tensor, transposed: bool) -> float:
    """Largest magnitude any partial sum can reach, whatever the activations."""
    per_output = weight.abs().sum((0, 2, 3) if transposed else (1, 2, 3))
    return float((per_output * ACT_LIMIT + bias.abs()).max())


def quantize_stack(layers: Iterable[nn.Module]) -> list[FixedConv]:
    r"""Turn float layers into integer ones: each W to the finest grid that fits 16 bits.

    .. math:: W_{int} = round(W \, 2^{shift}), \quad b_{int} = round(b \, 2^{shift + ACT\_BITS})

    Args:
        layers: an `nn.Sequential` or list of Conv2d, ConvTranspose2d and ReLU, a ReLU only
            behind a convolution.

    Raises:
        ValueError: another kind of module, an option such as groups, or weights beyond the range.
    """
    stack: list[FixedConv] = []
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            stack.append(_quantize_conv(layer))
        elif isinstance(layer, nn.ReLU) and stack and not stack[-1].relu:
            stack[-1] = replace(stack[-1], relu=True)
        else:
            raise ValueError(f"no exact form of {layer} at this place")
    return stack


def _quantize_conv(conv: nn.Conv2d | nn.ConvTranspose2d) -> FixedConv:
    """One layer, at the largest shift within the limits."""
    transposed = isinstance(conv, nn.ConvTranspose2d)
    if conv.groups != 1 or conv.dilation != (1, 1) or conv.padding_mode != "zeros":
        raise ValueError(f"no exact form of {conv}: groups, dilation or padding mode")
    stride, padding = _square(conv.stride), _square(conv.padding)
    output_padding = _square(conv.output_padding) if transposed else 0
    weight = conv.weight.detach().cpu().double()
    channels = weight.shape[1 if transposed else 0]
    bias = weight.new_zeros(channels) if conv.bias is None else conv.bias.detach().cpu().double()
    for shift in range(_MAX_SHIFT, 0, -1):
        weight_int = torch.round(weight * 2.0**shift)
        bias_int = torch.round(bias * 2.0 ** (shift + ACT_BITS))
        if (
            weight_int.abs().max() <= _WEIGHT_LIMIT
            and bias_int.abs().max() < 1 << 31
            and _accumulator_bound(weight_int, bias_int, transposed) < _EXACT
        ):
            return FixedConv(
                weight_int, bias_int, shift, stride, padding, transposed, output_padding
            )
    raise ValueError(f"weights of {conv} are too large, or not finite")


def _square(size: int | str | tuple[int, ...]) -> int:
    """The one number of a square setting. Raises ValueError if it is not square."""
    if isinstance(size, tuple) and len(set(size)) == 1:
        return size[0]
    raise ValueError(f"no exact form of a setting {size!r}: must be square")


@torch.no_grad()
def run(layers: Iterable[FixedConv], act: Tensor) -> Tensor:
    """Apply the layers in turn, on the CPU, to the same integers on every machine.

    Shapes:
        act: (N, C, H, W), integers in float64 in units of 2^-ACT_BITS, clamped to +-2^20.
        Returns (N, C', H', W'), the same kind, on the CPU.

    Raises:
        ValueError: act is not float64 or holds something other than integers.
    """
    act = act.cpu()
    if act.dtype != torch.float64 or not torch.equal(act, act.floor()):
        raise ValueError("activations must be integers held in float64")
    act = act.clamp(-ACT_LIMIT, ACT_LIMIT)
    for layer in layers:
        act = layer(act)
    return act


def to_arrays(layers: Iterable[FixedConv]) -> dict[str, NDArray[np.int32]]:
    """Named int32 arrays for a safetensors file: `i.weight`, `i.bias`, `i.spec` of layer i."""
    arrays = {}
    for i, c in enumerate(layers):
        spec = (c.shift, c.stride, c.padding, c.transposed, c.output_padding, c.relu)
        arrays[f"{i}.weight"] = c.weight.numpy().astype(np.int32)
        arrays[f"{i}.bias"] = c.bias.numpy().astype(np.int32)
        arrays[f"{i}.spec"] = np.array(spec, np.int32)
    return arrays


def from_arrays(arrays: Mapping[str, NDArray[np.int32]]) -> list[FixedConv]:
    """Inverse of `to_arrays`. Raises ValueError if a layer could be inexact."""
    layers = []
    for i in range(len(arrays) // 3):
        weight, bias = (
            torch.from_numpy(np.asarray(arrays[f"{i}.{name}"]).astype(np.float64))
            for name in ("weight", "bias")
        )
        shift, stride, padding, transposed, output_padding, relu = map(int, arrays[f"{i}.spec"])
        layers.append(
            FixedConv(
                weight, bias, shift, stride, padding, bool(transposed), output_padding, bool(relu)
            )
        )
    return layers


def interpolate_log2(tiers: NDArray[np.int64], level: int) -> NDArray[np.int64]:
    r"""Log gains between tiers: geometric interpolation, linear in L, in integers.

    .. math:: L = L_k + \lfloor (L_{k+1} - L_k) (level - 256 k) / 256 \rfloor

    with k the segment that holds level; the end segments also extrapolate.

    Shapes:
        tiers: (T, C), int64, log2 of the gains in units of 2^-16.
        level: in 1/256 of a tier, 0 is tier 0. Returns (C,), int64, in units of 2^-16.
    """
    if len(tiers) == 1:
        return tiers[0].astype(np.int64)
    k = min(max(level // LEVELS, 0), len(tiers) - 2)
    low, high = tiers[k].astype(np.int64), tiers[k + 1].astype(np.int64)
    return low + (high - low) * (level - LEVELS * k) // LEVELS


def exp2_fixed(log2: NDArray[np.int64], bits: int = 16) -> NDArray[np.int64]:
    r"""A power of two in fixed point, from integers only.

    .. math:: round(2^{bits} \cdot 2^{L / 2^{16}})

    The relative error before rounding is below 4e-9 (linear interpolation of 4096 entries an
    octave), so the result is within 0.5 + 4e-9 r of the exact r: relatively 1e-6 from r = 2^19
    on. Ask for more `bits` where small values matter.

    Shapes:
        log2: any, int64, in units of 2^-16. Returns the same shape, int64, in units of 2^-bits.

    Raises:
        ValueError: the result would pass 2^62.
    """
    octave, fraction = log2 >> LOG2_BITS, log2 & ((1 << LOG2_BITS) - 1)
    if log2.size and int(octave.max()) + bits >= 62:
        raise ValueError(f"2^{int(octave.max()) + 1} does not fit with {bits} fractional bits")
    table = _octave()
    cell, rest = fraction >> 4, fraction & 15  # 4096 cells of 16 steps
    mantissa = (table[cell] << 4) + (table[cell + 1] - table[cell]) * rest  # in units of 2^-44
    down = 44 - bits - octave
    right, left = np.clip(down, 1, 62), np.clip(-down, 0, 62)
    rounded = (mantissa + (np.int64(1) << (right - 1))) >> right
    return np.where(down > 0, rounded, mantissa << left)


@cache
def _octave() -> NDArray[np.int64]:
    """round(2^40 * 2^(i / 4096)) for i = 0..4096, from integer square roots to 128 bits."""
    one = 1 << 128
    root = 2 * one
    for _ in range(12):  # the 4096th root of two
        root = math.isqrt(root * one)
    powers = [one]
    for _ in range(4096):
        powers.append(powers[-1] * root >> 128)
    return np.array([(p + (1 << 87)) >> 88 for p in powers], np.int64)
