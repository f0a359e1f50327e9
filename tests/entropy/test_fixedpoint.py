"""Exact inference: near the float network, and to the bit the same whatever the machine does."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from hfx.entropy.fixedpoint import (
    ACT_BITS,
    ACT_LIMIT,
    FixedConv,
    exp2_fixed,
    from_arrays,
    interpolate_log2,
    quantize_stack,
    run,
    to_arrays,
)


@pytest.fixture
def net():
    """A small hyper-decoder: a 3x3, two upsamplings of either kind of kernel, and a head."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(6, 16, 3, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 12, 5, stride=2, padding=2, output_padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(12, 12, 4, stride=2, padding=1, bias=False),
        nn.ReLU(),
        nn.Conv2d(12, 8, 1),
    )


def activations(*shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-3 << ACT_BITS, 3 << ACT_BITS, shape, generator=generator).double()


def test_close_to_the_float_network(net):
    act = activations(2, 6, 9, 7)
    want = net.double()(act * 2.0**-ACT_BITS).detach()
    got = run(quantize_stack(net), act) * 2.0**-ACT_BITS
    assert got.shape == want.shape == (2, 8, 36, 28)
    assert float((got - want).abs().max()) < 2.0**-ACT_BITS * 2
    assert float(want.std()) > 0.05  # or the line above says nothing


def test_outputs_are_integers_in_range(net):
    out = run(quantize_stack(net), activations(1, 6, 5, 5) * 1e6)
    assert out.dtype == torch.float64 and torch.equal(out, out.floor())
    assert float(out.abs().max()) <= ACT_LIMIT


def test_same_integers_for_any_number_of_threads(net):
    layers, act, before = quantize_stack(net), activations(3, 6, 33, 17), torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(run(layers, act))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*results)


def test_same_integers_in_tiles(net):
    """Receptive field: less than 3 input pixels on each side; a halo of 3 hides the borders."""
    layers, act, halo = quantize_stack(net), activations(1, 6, 24, 20), 3
    whole = run(layers, act)
    for top, left in ((0, 0), (8, 5), (16, 12)):
        y0, x0 = max(top - halo, 0), max(left - halo, 0)
        part = run(layers, act[:, :, y0 : top + 8 + halo, x0 : left + 8 + halo])
        inner = part[:, :, 4 * (top - y0) :, 4 * (left - x0) :][:, :, :32, :32]
        assert torch.equal(inner, whole[:, :, 4 * top : 4 * top + 32, 4 * left : 4 * left + 32])


def test_same_integers_in_any_order_of_summation(net):
    first = quantize_stack(net)[0]
    act, order = activations(1, 6, 11, 11), torch.tensor([3, 1, 5, 0, 2, 4])
    permuted = replace(first, weight=first.weight[:, order])
    assert torch.equal(run([permuted], act[:, order]), run([first], act))


def test_same_integers_as_python(net):
    """One output pixel by hand, in unbounded integers."""
    layer, act = quantize_stack(net)[0], activations(1, 6, 3, 3)
    got = run([layer], act)[0, :, 1, 1].long().tolist()
    for channel in range(16):
        products = (layer.weight[channel] * 1).long().flatten().tolist()
        acc = sum(w * a for w, a in zip(products, act.long().flatten().tolist(), strict=True))
        acc += int(layer.bias[channel])
        assert got[channel] == max((acc + (1 << layer.shift - 1)) >> layer.shift, 0)


def test_memory_layout_and_autocast_do_not_show(net):
    layers, act = quantize_stack(net), activations(1, 6, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        out = run(layers, act.to(memory_format=torch.channels_last))
    assert torch.equal(out, run(layers, act))


def test_weights_use_their_sixteen_bits(net):
    for layer in quantize_stack(net):
        assert 1 << 14 <= float(layer.weight.abs().max()) < 1 << 15


def test_arrays_round_trip(net):
    layers, act = quantize_stack(net), activations(1, 6, 4, 4)
    arrays = to_arrays(layers)
    assert all(a.dtype == np.int32 for a in arrays.values())
    assert torch.equal(run(from_arrays(arrays), act), run(layers, act))


def test_what_could_be_inexact_is_refused():
    good = quantize_stack([nn.Conv2d(2, 3, 3)])[0]
    with pytest.raises(ValueError, match="not exact"):
        replace(good, weight=good.weight * 2**22)
    with pytest.raises(ValueError, match="integers"):
        replace(good, weight=good.weight + 0.5)
    with pytest.raises(ValueError, match="integers"):
        FixedConv(good.weight.float(), good.bias, 8)
    with pytest.raises(ValueError, match="shift"):
        replace(good, shift=0)
    for bad in (activations(1, 2, 5, 5) + 0.5, activations(1, 2, 5, 5).float()):
        with pytest.raises(ValueError, match="integers"):
            run([good], bad)
    with pytest.raises(ValueError, match="integers"):
        run([good], torch.full((1, 2, 5, 5), math.nan, dtype=torch.float64))


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(4, 4, 3), nn.LeakyReLU()],
        [nn.ReLU()],
        [nn.Conv2d(4, 4, 3), nn.ReLU(), nn.ReLU()],
        [nn.Conv2d(4, 4, 3, groups=2)],
        [nn.Conv2d(4, 4, 3, dilation=2)],
        [nn.Conv2d(4, 4, 3, padding="same")],
        [nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")],
        [nn.Conv2d(4, 4, 3, stride=(1, 2))],
    ],
)
def test_what_has_no_exact_form_is_refused(layers):
    with pytest.raises(ValueError, match="exact form"):
        quantize_stack(layers)


def test_weights_beyond_the_range_are_refused():
    conv = nn.Conv2d(1, 1, 1)
    for value in (1e6, math.nan, math.inf):
        nn.init.constant_(conv.weight, value)
        with pytest.raises(ValueError, match="too large"):
            quantize_stack([conv])


def test_interpolation_hits_the_tiers_and_extrapolates():
    tiers = np.array([[0, 100], [65536, -101], [200000, 7]], np.int64)
    for k in range(3):
        np.testing.assert_array_equal(interpolate_log2(tiers, 256 * k), tiers[k])
    np.testing.assert_array_equal(interpolate_log2(tiers, 128), [32768, -1])  # -0.5, floored
    np.testing.assert_array_equal(interpolate_log2(tiers, -256), [-65536, 301])
    np.testing.assert_array_equal(interpolate_log2(tiers, 768), [334464, 115])
    np.testing.assert_array_equal(interpolate_log2(tiers[:1], 999), tiers[0])


@pytest.mark.parametrize("bits", [16, 30])
def test_exp2_within_its_stated_error(bits):
    log2 = np.random.default_rng(0).integers(-20 << 16, 24 << 16, 3000)
    log2 = np.concatenate([log2, np.arange(-40, 40), np.arange(-5, 6) << 16])
    got = exp2_fixed(log2, bits)
    for x, y in zip(log2.tolist(), got.tolist(), strict=True):
        exact = Fraction(math.exp2(bits + (x & 65535) / 65536)) * Fraction(2) ** (x >> 16)
        assert abs(y - exact) <= 0.5 + 4e-9 * exact
    big = got >= 1 << 19
    relative = got[big] / np.exp2(log2[big] / 65536 + bits) - 1
    assert big.any() and np.abs(relative).max() < 1e-6


def test_exp2_of_whole_powers_is_exact():
    powers = np.arange(-60, 46, dtype=np.int64)
    # Halves are rounded up, so 2^-17 in units of 2^-16 is 1.
    want = [1 << k + 16 if k >= -16 else int(k == -17) for k in powers.tolist()]
    assert exp2_fixed(powers << 16).tolist() == want


def test_exp2_is_monotonic():
    assert (np.diff(exp2_fixed(np.arange(-(1 << 18), 1 << 18, 97))) >= 0).all()


def test_exp2_pinned():
    """Golden: the integers are part of the format."""
    log2 = np.array([-300000, -65536, -1, 0, 1, 12345, 65535, 65536, 700001])
    want = [2745, 32768, 65535, 65536, 65537, 74677, 131071, 131072, 107604831]
    assert exp2_fixed(log2).tolist() == want


def test_exp2_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="does not fit"):
        exp2_fixed(np.array([46 << 16]))
    assert exp2_fixed(np.zeros(0, np.int64)).shape == (0,)
