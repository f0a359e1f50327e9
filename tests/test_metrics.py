"""Measures: closed forms, other people's implementations, and strips that change nothing."""

import time
import urllib.error
import urllib.request

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from hfx import HfxError, WeightsError, metrics
from hfx.image import to_tensor
from hfx.perceptual import LPIPS
from tests import vgg


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
    return loaded(LPIPS)


@pytest.fixture(scope="module")
def squeeze():
    return loaded(metrics._squeeze)


@pytest.fixture(scope="module")
def dists():
    """A network of random numbers: the real one is 528 MB."""
    return vgg.ours()


def loaded(make):
    try:
        return metrics._network(make)
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
    assert metrics.mse(x, x + np.uint8(off)) == off**2
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
    assert metrics.mse(*pair) == pytest.approx(theirs.mean_squared_error(*pair), rel=1e-9)
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


def test_ms_ssim_is_the_documented_value_of_torchmetrics():
    """The example of multiscale_structural_similarity_index_measure, rounded to 8 bits."""
    torch.manual_seed(42)
    pictures = torch.rand(3, 3, 256, 256).permute(0, 2, 3, 1)
    rounded = (((p * share * 255).round().byte().numpy() for share in (1, 0.75)) for p in pictures)
    values = [metrics.ms_ssim(*pair) for pair in rounded]
    assert np.mean(values) == pytest.approx(0.9628, abs=5e-4)


def test_lpips_is_that_of_the_loss(pair, network, squeeze):
    x, y = (to_tensor(p) for p in pair)
    for measure, kind in ((metrics.lpips, network), (metrics.lpips_squeeze, squeeze)):
        with torch.inference_mode():
            expected = float(kind(x, y))
        assert expected > 0.01
        assert measure(*pair) == pytest.approx(expected, rel=1e-5)
        assert measure(*pair, kind) == measure(*pair)
        assert measure(pair[0], pair[0]) == 0


def test_dists_is_that_of_torchmetrics(pair, dists):
    theirs, (x, y) = vgg.theirs(), pair
    for x_hat in (y, np.roll(x, 5, axis=1), 255 - x):
        expected = theirs(to_tensor(x[:97]), to_tensor(x_hat[:97])).detach()
        assert expected > 0.003
        assert metrics.dists(x[:97], x_hat[:97], dists) == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize("height", [192, 177, 161])
def test_strips_change_nothing(pair, network, squeeze, monkeypatch, height):
    x, y = (np.tile(p, (3, 1, 1))[: 2 * height] for p in pair)
    measures = (metrics.mse, metrics.ssim, metrics.ms_ssim, metrics.lpips, metrics.lpips_squeeze)
    x, y = x[:, : height + 1], y[:, : height + 1]
    whole = [measure(x, y) for measure in measures]
    monkeypatch.setattr(metrics, "_STRIP", 208 * 7)
    monkeypatch.setattr(metrics, "_STRIP_LPIPS", 208 * 48)
    assert [measure(x, y) for measure in measures] == pytest.approx(whole, rel=1e-6)


def test_strips_change_nothing_for_dists(pair, dists, monkeypatch):
    x, y = (np.tile(p[:, :40], (2, 1, 1))[:349] for p in pair)
    whole = metrics.dists(x, y, dists)
    monkeypatch.setattr(metrics, "_STRIP_DISTS", 40 * 48)
    assert metrics.dists(x, y, dists) == pytest.approx(whole, abs=2e-7)


def test_blur_grows_with_blur(photo):
    """It needs no original; its own scale ends at 1."""
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    radii = (0, 0.5, 1, 2, 4)
    pictures = [Image.fromarray(photo).filter(ImageFilter.GaussianBlur(r)) for r in radii]
    values = [metrics.blur(np.asarray(p)) for p in pictures]
    assert values == sorted(values) and 0 < values[0] < values[-1] < 1
    assert values[-1] > values[0] + 0.3


def test_a_network_that_cannot_be_had_is_asked_for_once(monkeypatch, tmp_path):
    asked = []

    def offline(url, timeout):
        asked.append(url)
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("HFX_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", offline)
    x = np.zeros((64, 64, 3), np.uint8)
    begun = time.perf_counter()
    for measure in (metrics.dists, metrics.lpips, metrics.lpips_squeeze) * 2:
        with pytest.raises(WeightsError, match="unavailable: needs https"):
            measure(x, x)
    assert len(asked) == 3 and time.perf_counter() - begun < 60


@pytest.mark.parametrize(
    ("measure", "side"),
    [
        (metrics.ssim, 11),
        (metrics.ms_ssim, 161),
        (metrics.lpips, 31),
        (metrics.lpips_squeeze, 31),
        (metrics.dists, 16),
    ],
)
def test_none_where_not_defined(measure, side):
    small = np.zeros((side - 1, side, 3), np.uint8)
    assert measure(small, small) is None
    if measure in (metrics.ssim, metrics.ms_ssim):
        just = np.zeros((side, side, 3), np.uint8)
        assert measure(just, just) == pytest.approx(1)


def test_the_smallest_picture_for_a_network(network, squeeze, dists):
    just = np.zeros((metrics.LPIPS_SIDE, metrics.LPIPS_SIDE, 3), np.uint8)
    assert metrics.lpips(just, just, network) == metrics.lpips(just, just, squeeze) == 0
    just = np.zeros((metrics.DISTS_SIDE, metrics.DISTS_SIDE, 3), np.uint8)
    assert metrics.dists(just, just, dists) == pytest.approx(0, abs=1e-9)


def test_one_pixel_has_a_psnr():
    assert metrics.psnr(np.zeros((1, 1, 3), np.uint8), np.ones((1, 1, 3), np.uint8)) > 48


def test_wrong_pictures_are_refused():
    x = np.zeros((20, 20, 3), np.uint8)
    with pytest.raises(HfxError, match="20 x 20 and 10 x 20 pixels cannot be compared"):
        metrics.psnr(x, x[:, :10])
    with pytest.raises(HfxError, match="need"):
        metrics.ssim(x.astype(float), x)  # type: ignore[arg-type]
