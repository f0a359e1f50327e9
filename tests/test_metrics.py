"""Measures: closed forms, other people's implementations, and strips that change nothing."""

import numpy as np
import pytest
import torch

from hfx import HfxError, WeightsError, metrics
from hfx.image import to_tensor


@pytest.fixture
def pair():
    """A picture (192, 208, 3) of smooth and rough parts, and a noisy copy."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:192, :208]
    smooth = np.stack([127 + 100 * np.sin(x / 9), y % 256, (x * y // 40) % 256], axis=2)
    picture = np.clip(smooth + rng.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)
    noisy = np.clip(picture + rng.normal(0, 12, picture.shape), 0, 255).astype(np.uint8)
    return picture, noisy


@pytest.fixture(scope="module")
def network():
    try:
        return metrics._network()
    except WeightsError as error:
        pytest.skip(f"no LPIPS network here: {error}")


def test_equal_pictures(pair):
    x, _ = pair
    assert metrics.psnr(x, x) == float("inf")
    assert metrics.ssim(x, x) == pytest.approx(1, abs=1e-6)
    assert metrics.ms_ssim(x, x) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("off", [1, 16, 255])
def test_psnr_of_a_constant_error(off):
    x = np.zeros((40, 30, 3), np.uint8)
    assert metrics.psnr(x, x + np.uint8(off)) == pytest.approx(20 * np.log10(255 / off))


def test_ssim_of_two_flat_pictures():
    """Without variance cs is 1, and what remains is the comparison of two means."""
    a, b = 60 / 255, 180 / 255
    x, y = np.full((20, 20, 3), 60, np.uint8), np.full((20, 20, 3), 180, np.uint8)
    expected = (2 * a * b + metrics.C1) / (a * a + b * b + metrics.C1)
    assert metrics.ssim(x, y) == pytest.approx(expected, abs=1e-4)


def test_psnr_and_ssim_are_those_of_skimage(pair):
    theirs = pytest.importorskip("skimage.metrics", reason="scikit-image is not installed")
    expected = theirs.peak_signal_noise_ratio(*pair, data_range=255)
    assert metrics.psnr(*pair) == pytest.approx(expected, rel=1e-9)
    expected = theirs.structural_similarity(
        *pair, data_range=255, channel_axis=2, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False,
    )  # fmt: skip
    assert metrics.ssim(*pair) == pytest.approx(expected, abs=1e-5)


def test_ms_ssim_is_that_of_torchmetrics(pair):
    from hfx import torchvision_shim

    torchvision_shim.ensure()
    image = pytest.importorskip("torchmetrics.functional.image", reason="no torchmetrics")
    x, y = (to_tensor(p) for p in pair)
    expected = image.multiscale_structural_similarity_index_measure(x, y, data_range=1.0)
    # theirs lets the mirrored border count at the coarsest scale; Wang's and this one do not
    assert metrics.ms_ssim(*pair) == pytest.approx(float(expected), abs=1e-4)


def test_lpips_is_that_of_the_loss(pair, network):
    x, y = (to_tensor(p) for p in pair)
    with torch.inference_mode():
        expected = float(network(x, y))
    assert expected > 0.01
    assert metrics.lpips(*pair, network) == pytest.approx(expected, rel=1e-5)
    assert metrics.lpips(pair[0], pair[0], network) == 0


@pytest.mark.parametrize("height", [192, 177, 161])
def test_strips_change_nothing(pair, network, monkeypatch, height):
    x, y = (np.tile(p, (3, 1, 1))[: 2 * height] for p in pair)
    measures = (metrics.psnr, metrics.ssim, metrics.ms_ssim, metrics.lpips)
    x, y = x[:, : height + 1], y[:, : height + 1]
    whole = [measure(x, y) for measure in measures]
    monkeypatch.setattr(metrics, "_STRIP", 208 * 7)
    monkeypatch.setattr(metrics, "_STRIP_LPIPS", 208 * 48)
    assert [measure(x, y) for measure in measures] == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize(
    ("measure", "side"), [(metrics.ssim, 11), (metrics.ms_ssim, 161), (metrics.lpips, 31)]
)
def test_none_where_not_defined(measure, side):
    small = np.zeros((side - 1, side, 3), np.uint8)
    assert measure(small, small) is None
    if measure is not metrics.lpips:
        just = np.zeros((side, side, 3), np.uint8)
        assert measure(just, just) == pytest.approx(1)


def test_the_smallest_picture_for_lpips(network):
    just = np.zeros((metrics.LPIPS_SIDE, metrics.LPIPS_SIDE, 3), np.uint8)
    assert metrics.lpips(just, just, network) == 0


def test_one_pixel_has_a_psnr():
    assert metrics.psnr(np.zeros((1, 1, 3), np.uint8), np.ones((1, 1, 3), np.uint8)) > 48


def test_wrong_pictures_are_refused():
    x = np.zeros((20, 20, 3), np.uint8)
    with pytest.raises(HfxError, match="20 x 20 and 10 x 20 pixels cannot be compared"):
        metrics.psnr(x, x[:, :10])
    with pytest.raises(HfxError, match="need"):
        metrics.ssim(x.astype(float), x)  # type: ignore[arg-type]
