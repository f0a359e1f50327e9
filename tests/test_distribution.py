"""Distances of sets: closed forms, torch-fidelity's numbers, HiFiC's patches."""

import io
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from hfx import HfxError, distribution, torchvision_shim
from hfx.backbones import BACKBONES, find_backbone
from hfx.distribution import Features, fid, fid768, frechet, kernel, kid, kid768, patches
from hfx.inception import Inception


class Means(torch.nn.Module):
    """A network so small that its features can be said beforehand: each channel's average."""

    def forward(self, x):
        assert x.dtype == torch.uint8 and x.shape[1:] == (3, 256, 256) and len(x) <= 8
        return x.float().mean((2, 3))


def vectors(seed, n, d, mix=1.0):
    """Correlated positive vectors, as features are."""
    rng = np.random.default_rng(seed)
    basis = np.random.default_rng(99).normal(size=(d, d)) * mix
    return np.abs(rng.normal(size=(n, d)) @ basis).astype(np.float32)


# --- patches


def test_the_patches_of_a_kodak_picture():
    y, x = np.mgrid[:512, :768]
    corners = [tuple(p[0, 0]) for p in patches(np.stack([y, x, 0 * x], axis=2))]
    first = [(0, 0), (0, 256), (0, 512), (256, 0), (256, 256), (256, 512)]
    assert corners == [(*c, 0) for c in [*first, (128, 128), (128, 384)]]


@pytest.mark.parametrize(
    ("height", "width", "count"),
    [(255, 999, 0), (256, 256, 1), (383, 384, 1), (384, 384, 2), (640, 640, 8)],
)
def test_patches_lie_inside(height, width, count):
    cut = list(patches(np.zeros((height, width, 3), np.uint8)))
    assert len(cut) == count and all(p.shape == (256, 256, 3) for p in cut)


# --- sets


def test_features_are_collected_picture_by_picture():
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (h, w, 3), np.uint8) for h, w in ((1024, 768), (300, 256))]
    features = Features(Means())
    for rgb in pictures:
        features.add(rgb)
    expected = [p.mean((0, 1)) for rgb in pictures for p in patches(rgb)]
    assert len(features) == 12 + 6 + 1
    np.testing.assert_allclose(features.vectors, expected, rtol=1e-5)


def test_sets_are_merged_across_processes():
    pictures = [np.full((256, 512, 3), level, np.uint8) for level in (10, 20, 30)]
    whole, parts = Features(Means()), []
    for rgb in pictures:
        whole.add(rgb)
        part = Features(Means())
        part.add(rgb)
        parts.append(pickle.loads(pickle.dumps(part)))
        assert part.network is not None and parts[-1].network is None
    merged = Features()
    for part in parts:
        merged.merge(part)
    np.testing.assert_array_equal(merged.vectors, whole.vectors)
    np.testing.assert_array_equal(Features(vectors=whole.vectors).vectors, whole.vectors)


def test_a_picture_without_a_patch_is_said():
    features = Features(Means())
    features.add(np.zeros((256, 256, 3), np.uint8))
    with pytest.raises(HfxError, match="600 x 255 pixels"):
        features.add(np.zeros((255, 600, 3), np.uint8))
    assert len(features) == 1


def test_sets_of_other_features_are_refused():
    a = Features(vectors=vectors(0, 10, 64))
    for measure, width in ((fid768, 768), (kid768, 768), (fid, 2048), (kid, 2048)):
        with pytest.raises(HfxError, match=f"needs {width} features a patch, not 64"):
            measure(a, a)


def test_too_few_patches_are_said():
    one, three = (Features(vectors=vectors(0, n, 768)) for n in (1, 3))
    with pytest.raises(HfxError, match="2 patches or more"):
        fid768(three, one)
    with pytest.raises(HfxError, match="4 patches or more"):
        kid768(three, three)
    with pytest.raises(HfxError, match="no patches"):
        fid768(Features(), one)


# --- distances


@pytest.mark.parametrize(("n", "d"), [(50, 20), (20, 50)], ids=["regular", "singular"])
def test_frechet_of_a_shifted_and_of_a_scaled_set(n, d):
    a = vectors(0, n, d)
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet(a, a + 3) == pytest.approx(9 * d, rel=1e-5)
    spread = np.trace(np.cov(a.T))
    expected = (np.square(a.mean(0, dtype=np.float64)).sum() + spread) / 4  # (1 - 1/2)^2
    assert frechet(a, a / 2) == pytest.approx(expected, rel=1e-5)


def test_frechet_on_one_axis():
    a, b = vectors(0, 30, 1), vectors(1, 40, 1, mix=3)
    expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert frechet(a, b) == pytest.approx(expected, rel=1e-5)


def test_frechet_is_that_of_torch_fidelity():
    torchvision_shim.ensure()
    theirs = pytest.importorskip("torch_fidelity.metric_fid")
    a, b = vectors(0, 300, 64), vectors(1, 400, 64, mix=0.5)
    moments = [theirs.fid_features_to_statistics(torch.from_numpy(v)) for v in (a, b)]
    expected = theirs.fid_statistics_to_metric(*moments, False)["frechet_inception_distance"]
    assert frechet(a, b) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("largest", [1000, 30])
def test_kernel_is_that_of_torch_fidelity(largest, monkeypatch):
    torchvision_shim.ensure()
    theirs = pytest.importorskip("torch_fidelity.metric_kid")
    monkeypatch.setattr(distribution, "SUBSET_SIZE", largest)
    a, b = vectors(0, 80, 64, mix=0.1), vectors(1, 100, 64, mix=0.12)
    size = min(40, largest)
    expected = theirs.kid_features_to_metric(
        torch.from_numpy(a), torch.from_numpy(b), kid_subset_size=size, verbose=False
    )
    assert kernel(a, b) == pytest.approx(tuple(expected.values()), rel=1e-4)


def test_kernel_of_independent_sets_is_unbiased():
    sets = [vectors(seed, 200, 16, mix=0.3) for seed in range(12)]
    same = [kernel(a, b)[0] for a, b in zip(sets[::2], sets[1::2], strict=True)]
    other = kernel(sets[0], sets[1] * 1.5)[0]
    assert min(same) < 0 < max(same) < other / 5
    assert abs(np.mean(same)) < 2 * np.std(same, ddof=1) / np.sqrt(6)


# --- real pictures


def jpeg(rgb, quality):
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def test_more_damage_is_farther(portrait):
    if not find_backbone("inception_trunk"):
        pytest.skip(f"HFX_WEIGHTS names no folder with {BACKBONES['inception_trunk'].file}")
    network = Inception()
    sets = []
    for rgb in (portrait, jpeg(portrait, 50), jpeg(portrait, 10)):
        sets.append(Features(network))
        sets[-1].add(rgb)
    fids, kids = ([f(sets[0], s) for s in sets] for f in (fid768, kid768))
    assert fids[0] == pytest.approx(0, abs=1e-9) and 0 < fids[1] < fids[2] / 2
    assert kids[0][0] < kids[1][0] < kids[2][0]
