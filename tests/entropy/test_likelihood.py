"""Rates: equal to float64 references, sum to one, finite far out."""

import math

import numpy as np
import pytest
import torch

from hfx.entropy.likelihood import ESCAPE_BITS, gaussian_bits, logistic_bits
from hfx.entropy.pmf import build_tables
from hfx.entropy.scales import scale_table

BOTH = pytest.mark.parametrize("bits", [gaussian_bits, logistic_bits])


def gaussian_reference(v: float, sigma: float) -> float:
    def survival(x: float) -> float:
        return 0.5 * math.erfc(x / sigma / math.sqrt(2))

    return -math.log2(survival(abs(v) - 0.5) - survival(abs(v) + 0.5))


def logistic_reference(v: float, s: float) -> float:
    def survival(x: float) -> float:
        return 1 / (1 + math.exp(x / s))

    return -math.log2(survival(abs(v) - 0.5) - survival(abs(v) + 0.5))


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 2e-4), (torch.float64, 1e-8)])
@pytest.mark.parametrize("width", [0.11, 0.3, 1.0, 7.3, 256.0])
@pytest.mark.parametrize(
    "bits, reference, reach",
    [(gaussian_bits, gaussian_reference, 4.5), (logistic_bits, logistic_reference, 20.0)],
)
def test_matches_reference(bits, reference, reach, width, dtype, tolerance):
    v = torch.linspace(-reach * width - 0.5, reach * width + 0.5, 401, dtype=torch.float64)
    want = torch.tensor([reference(x, width) for x in v.tolist()], dtype=torch.float64)
    got = bits(v.to(dtype), torch.tensor(width, dtype=dtype))
    keep = want < ESCAPE_BITS if bits is gaussian_bits else want < math.inf
    assert keep.sum() > 300
    torch.testing.assert_close(got.double()[keep], want[keep], atol=tolerance, rtol=tolerance)


@BOTH
def test_gradient_matches_finite_differences(bits):
    v = torch.tensor([-9.7, -1.2, -0.5001, -0.3, 0.2, 0.4999, 0.8, 3.1, 40.0], dtype=torch.float64)
    width = torch.tensor([0.2, 1.0, 30.0], dtype=torch.float64)[:, None]
    inputs = (v.requires_grad_(), width.requires_grad_())
    assert torch.autograd.gradcheck(bits, inputs)


@BOTH
def test_float32_gradients_are_those_of_float64(bits):
    grads = []
    for dtype in (torch.float32, torch.float64):
        v = torch.tensor([0.1, 0.49, 0.51, 3.0, 40.0, 700.0, 1e4], dtype=dtype)
        width = torch.tensor(scale_table(), dtype=dtype)[:, None]
        v, width = v.expand(64, 7).clone().requires_grad_(), width.requires_grad_()
        bits(v, width).sum().backward()
        grads.append((v.grad.double(), width.grad.double()))
    for got, want in zip(*grads, strict=True):
        torch.testing.assert_close(got, want, rtol=2e-3, atol=1e-4)


@BOTH
def test_finite_and_pulling_inwards_far_out(bits):
    v = torch.tensor([0.0, 1.0, -30.0, 1e3, -1e4]).expand(64, 5).clone().requires_grad_()
    width = torch.tensor(scale_table(), dtype=torch.float32)[:, None].requires_grad_()
    out = bits(v, width)
    out.sum().backward()
    assert out.isfinite().all() and v.grad.isfinite().all() and width.grad.isfinite().all()
    assert (v.grad * v > 0)[:, 2:].all()  # descent brings every outlier nearer
    assert (v.grad[:, 0] == 0).all()


def test_gaussian_bends_smoothly_at_the_escape():
    v = torch.linspace(3, 9, 20001, dtype=torch.float64)
    out = gaussian_bits(v, torch.tensor(1.0, dtype=torch.float64))
    slope = out.diff() / v.diff()
    assert out[0] < ESCAPE_BITS < out[-1]
    assert slope.min() > 0 and slope.diff().abs().max() < 0.02


@BOTH
@pytest.mark.parametrize("width", [0.11, 1.0, 20.0])
def test_probabilities_of_all_bins_sum_to_one(bits, width):
    v = torch.arange(-2000, 2001, dtype=torch.float64) + 0.3
    total = torch.exp2(-bits(v, torch.tensor(width, dtype=torch.float64)))
    assert float(total[bits(v, torch.tensor(width).double()) < ESCAPE_BITS].sum()) == (
        pytest.approx(1, abs=1e-4)
    )


@pytest.mark.parametrize(
    "family, bits", [("gaussian", gaussian_bits), ("logistic", logistic_bits)]
)
def test_training_pays_what_coding_pays(family, bits):
    tables = build_tables(family, scale_table())
    index = np.repeat(np.arange(64), 7)
    symbols = np.tile(np.arange(-3, 4), 64) * np.ceil(scale_table()[index]).astype(int)
    width = torch.from_numpy(scale_table()[index])
    trained = bits(torch.from_numpy(symbols).double(), width).numpy()
    common = trained < 16  # rarer symbols are coarsely quantised, at 2^-24 a step
    np.testing.assert_allclose(trained[common], tables.bits(symbols, index)[common], atol=0.02)


def test_low_precision_input_is_computed_in_float32():
    v, sigma = torch.tensor([2.0]).bfloat16(), torch.tensor([1.0]).bfloat16()
    assert gaussian_bits(v, sigma).dtype == logistic_bits(v, sigma).dtype == torch.float32
