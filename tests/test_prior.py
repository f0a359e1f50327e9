"""The exact prior: near the float hyperprior, the same in tiles, on threads, everywhere."""

import copy
import math
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch

from hfx.compressor import shifted
from hfx.config import TINY
from hfx.entropy import scales
from hfx.entropy.fixedpoint import ACT_BITS, LEVELS
from hfx.export import freeze
from hfx.networks.layers import pick_tier
from hfx.prior import ENTRIES_PER_OCTAVE, GAIN_BITS, Prior, entries, to_index

LEVELS_TRIED = [-171, 0, 100, 256, 512, 683]


@pytest.fixture(scope="module")
def model(tiny_model):
    """A hyperprior with an opinion: an untrained one says nearly the same everywhere."""
    model = copy.deepcopy(tiny_model)
    random = torch.Generator().manual_seed(1)
    for stack in (model.hyper_synthesis.mean, model.hyper_synthesis.scale):
        stack[-1].weight.mul_(30)
        stack[-1].bias.add_(torch.randn(TINY.latent, generator=random))
    model.log2_gain_z.add_(torch.randn(model.log2_gain_z.shape, generator=random) * 0.3)
    model.z_index.add_(torch.randn(TINY.hyper, generator=random) * 3)
    return model


@pytest.fixture(scope="module")
def prior(model):
    return freeze(model, {}).prior


@pytest.fixture(scope="module")
def z():
    return np.random.default_rng(0).integers(-9, 10, (TINY.hyper, 11, 7)).astype(np.int32)


def test_entries_per_octave():
    assert round(2**20 * math.log(2) / scales.STEP) == ENTRIES_PER_OCTAVE
    octaves = np.array([-(3 << 16), 0, 1 << 16, 5 << 15])
    want = octaves / 2**16 * math.log(2) / scales.STEP * 2**ACT_BITS
    assert np.abs(entries(octaves) - want).max() <= 0.51


def test_positions_round_to_the_nearest_table():
    t = np.array([-5000, 0, 511, 512, 1535, 1536, 1 << 30])
    np.testing.assert_array_equal(to_index(t), [0, 0, 0, 1, 1, 2, 63])


@pytest.mark.parametrize("level", LEVELS_TRIED)
def test_gains_are_those_of_the_model(model, prior, level):
    tier = torch.tensor([level / LEVELS])
    for exact, log2 in ((prior.gain, model.log2_gain), (prior.gain_z, model.log2_gain_z)):
        want = pick_tier(log2, tier).exp2().flatten().numpy()
        np.testing.assert_allclose(exact(level) * 2.0**-GAIN_BITS, want, rtol=1e-4)


@pytest.mark.parametrize("level", LEVELS_TRIED)
def test_agrees_with_the_float_hyperprior(model, prior, z, level):
    tier = torch.tensor([level / LEVELS])
    L_y, L_z = pick_tier(model.log2_gain, tier), pick_tier(model.log2_gain_z, tier)
    mu, t = model.hyper_synthesis(torch.from_numpy(z)[None].float() * (-L_z).exp2())
    want_mu = (mu * L_y.exp2())[0].numpy()
    want_t = shifted(t, L_y)[0].clamp(0, scales.SCALES - 1).numpy()

    mu_exact, index = prior.expect_y(z, level)
    gain = prior.gain(level)[:, None, None] * 2.0**-GAIN_BITS
    assert np.abs(mu_exact * 2.0**-ACT_BITS - want_mu).max() < float((0.02 * gain).max())
    assert np.abs(index - want_t).max() < 0.6  # half of it is rounding
    assert want_mu.std() > 0.1 and index.std() > 3  # or the lines above say little

    want_z = shifted(model.z_index, L_z[0, :, 0, 0]).clamp(0, scales.SCALES - 1).numpy()
    index_z = prior.expect_z(level, (2, 3))
    assert index_z.shape == (TINY.hyper, 2, 3)
    assert np.abs(index_z[:, 1, 2] - want_z).max() < 0.6


@pytest.mark.parametrize("tile", [1, 3, 4])
def test_tiles_are_the_whole_bit_for_bit(prior, z, tile):
    for whole, tiled in zip(prior.expect_y(z, 300), prior.expect_y(z, 300, tile), strict=True):
        np.testing.assert_array_equal(whole, tiled)


def test_threads_do_not_show(prior, z):
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(prior.expect_y(z, 300))
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


def test_arrays_round_trip(prior, z):
    again = Prior.from_arrays(prior.to_arrays())
    assert again.fingerprint() == prior.fingerprint()
    for a, b in zip(prior.expect_y(z, 77), again.expect_y(z, 77), strict=True):
        np.testing.assert_array_equal(a, b)


def test_fingerprint_changes_with_any_integer(prior):
    arrays = prior.to_arrays()
    seen = {prior.fingerprint()}
    for name, array in arrays.items():
        for place in {0, array.size // 2, array.size - 1}:
            changed = array.copy()
            changed.flat[place] += 1
            with patch.object(Prior, "to_arrays", return_value=arrays | {name: changed}):
                seen.add(prior.fingerprint())
    assert len(seen) == 1 + sum(len({0, a.size // 2, a.size - 1}) for a in arrays.values())


@pytest.mark.parametrize(
    "part", ["log2_gain", "log2_gain_z", "z_index", "mean", "scale", "tables_y"]
)
def test_parts_of_different_models_are_refused(prior, part):
    value = getattr(prior, part)
    if part == "tables_y":
        cut = type(value)(value.frequencies[:, :][:3, : 2 * value.half[2] + 2], value.half[:3])
    elif part in ("log2_gain",):
        cut = value[:, :-1]
    else:
        cut = value[:-1]
    with pytest.raises(ValueError):
        replace(prior, **{part: cut})
