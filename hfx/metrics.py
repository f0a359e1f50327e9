r"""How far apart two pictures are: MSE, PSNR, SSIM, MS-SSIM, LPIPS, DISTS; and how blurred one is.

Pictures are (H, W, 3) uint8 and of one size. A measure that is not defined for a picture so small
is None. Everything runs over strips of rows, so that memory stays bounded at any size; strips
overlap as far as a filter reaches, so the result is that of the whole picture.

They answer different questions. PSNR and SSIM reward a faithful, if blurred, copy; LPIPS, DISTS
and people one that looks real. A generative codec gives up some of the former for the latter.
"""

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from hfx.backbones import cache_folder
from hfx.errors import HfxError, WeightsError
from hfx.image import to_tensor
from hfx.perceptual import DISTS, LPIPS

Pixels = NDArray[np.uint8]
Network = TypeVar("Network", LPIPS, DISTS)

WINDOW, SIGMA = 11, 1.5  # SSIM's Gaussian window
C1, C2 = 0.01**2, 0.03**2  # keep SSIM's quotients finite, for pixels in [0, 1]
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # MS-SSIM's exponents, finest first
C_DISTS = 1e-6  # and DISTS's
SSIM_SIDE = WINDOW
MS_SSIM_SIDE = (WINDOW - 1) * 2 ** (len(SCALES) - 1) + 1  # 161
LPIPS_SIDE = 31  # below it AlexNet's last layers have no pixel
DISTS_SIDE = 16  # below it the last layer sees padding only on all sides
BLUR_SIDE = 11  # the width over which it blurs

_STRIP = 250_000  # pixels measured at a time by SSIM
_STRIP_LPIPS, _STRIP_DISTS = 1_000_000, 500_000
_HALO = 112  # pixels; no feature looks further than 105 past its strip


def mse(x: Pixels, x_hat: Pixels) -> float:
    r"""Mean squared error, in squared grey levels.

    .. math:: \frac{1}{3HW} \sum (x - \hat x)^2
    """
    _check(x, x_hat)
    squares = 0
    for rows in _strips(x.shape[0], x.shape[1], _STRIP):
        difference = x[rows].astype(np.int32) - x_hat[rows]
        squares += int(np.square(difference).sum(dtype=np.int64))
    return squares / x.size


def psnr(x: Pixels, x_hat: Pixels) -> float:
    r"""Peak signal-to-noise ratio in dB; infinite for equal pictures.

    .. math:: 10 \log_{10} \frac{255^2}{\text{MSE}}
    """
    error = mse(x, x_hat)
    return 10 * float(np.log10(255**2 / error)) if error else float("inf")


def ssim(x: Pixels, x_hat: Pixels) -> float | None:
    r"""Structural similarity (Wang et al. 2004), 1 for equal pictures; None under 11 pixels.

    .. math:: \text{mean} \left[ \underbrace{\frac{2 \mu_x \mu_{\hat x} + C_1}
        {\mu_x^2 + \mu_{\hat x}^2 + C_1}}_{l} \cdot \underbrace{\frac{2 \sigma_{x \hat x} + C_2}
        {\sigma_x^2 + \sigma_{\hat x}^2 + C_2}}_{cs} \right]

    Means and variances are taken under an 11x11 Gaussian window (sigma 1.5) wherever it lies
    wholly inside, for each of R, G and B.
    """
    _check(x, x_hat)
    if min(x.shape[:2]) < SSIM_SIDE:
        return None
    return _similarity(_planes(x), _planes(x_hat))[0]


def ms_ssim(x: Pixels, x_hat: Pixels) -> float | None:
    r"""Multi-scale structural similarity (Wang et al. 2003); None under 161 pixels.

    .. math:: \text{SSIM}_5^{w_5} \prod_{s=1}^{4} \overline{cs}_s^{\,w_s}

    where scale s + 1 is scale s averaged over 2x2 pixels, and cs is SSIM's second factor.
    """
    _check(x, x_hat)
    if min(x.shape[:2]) < MS_SSIM_SIDE:
        return None
    a, b, product = _planes(x), _planes(x_hat), 1.0
    for scale, weight in enumerate(SCALES):
        whole, structure = _similarity(a, b)
        last = scale == len(SCALES) - 1
        product *= max(0.0, whole if last else structure) ** weight
        if not last:
            a, b = _halved(a), _halved(b)
    return product


def lpips(x: Pixels, x_hat: Pixels, network: LPIPS | None = None) -> float | None:
    r"""Learned perceptual distance, 0 for equal pictures; None under 31 pixels. See `LPIPS`.

    .. math:: \sum_l \text{mean}_{hw} \, w_l^T (\hat f^l - \hat f'^l)^2

    Args:
        network: A loaded network; by default one is loaded and kept.

    Raises:
        WeightsError: the network cannot be found.
    """
    return _lpips(x, x_hat, LPIPS, network)


def lpips_squeeze(x: Pixels, x_hat: Pixels, network: LPIPS | None = None) -> float | None:
    """LPIPS through SqueezeNet's features: no judge from outside where G was trained on it, too.

    Args:
        network: `LPIPS("squeeze")`; by default one is loaded and kept.

    Raises:
        WeightsError: the network cannot be found.
    """
    return _lpips(x, x_hat, _squeeze, network)


def dists(x: Pixels, x_hat: Pixels, network: DISTS | None = None) -> float | None:
    r"""Structure and texture distance, 0 for equal pictures; None under 16 pixels. See `DISTS`.

    .. math:: 1 - \sum_k \left[ \alpha_k \frac{2 \mu \mu' + c}{\mu^2 + \mu'^2 + c}
        + \beta_k \frac{2 \sigma_{ff'} + c}{\sigma^2 + \sigma'^2 + c} \right]

    over all channels k of all layers, with means and variances over the whole picture.

    Args:
        network: A loaded network; by default one is loaded and kept.

    Raises:
        WeightsError: the network cannot be found.
    """
    _check(x, x_hat)
    if min(x.shape[:2]) < DISTS_SIDE:
        return None
    network = network or _network(DISTS)
    sums = [torch.zeros((), dtype=torch.float64)] * len(network.strides)
    counts = [0] * len(network.strides)
    for layer, f, g in _features(network, x, x_hat, _STRIP_DISTS):
        pairs = ((u.double(), v.double()) for u, v in zip(f[0], g[0], strict=True))
        terms = [[w.sum() for w in (u, v, u * u, v * v, u * v)] for u, v in pairs]
        sums[layer] = sums[layer] + torch.tensor(terms, dtype=torch.float64).T  # (5, C)
        counts[layer] += f[0, 0].numel()
    moments = torch.cat([s / n for s, n in zip(sums, counts, strict=True)], dim=1)
    mu, nu, uu, vv, uv = moments
    texture = (2 * mu * nu + C_DISTS) / (mu**2 + nu**2 + C_DISTS)
    structure = (2 * (uv - mu * nu) + C_DISTS) / (uu - mu**2 + vv - nu**2 + C_DISTS)
    alpha, beta = (network.get_buffer(name).flatten() for name in ("alpha", "beta"))
    return 1 - float((alpha * texture + beta * structure).sum())


def blur(x: Pixels) -> float | None:
    """How blurred a picture looks, without its original (Crete et al. 2007): 0 sharp, 1 blurred.

    By scikit-image: how little a picture changes when blurred further. It sees neither blocks nor
    invented detail. None under 11 pixels. Unlike the others it takes the picture as a whole.

    Raises:
        HfxError: scikit-image is not installed.
    """
    _check(x, x)
    try:
        from skimage.measure import blur_effect
    except ImportError as error:
        raise HfxError("blur unavailable: needs `pip install scikit-image`") from error
    return float(blur_effect(x, channel_axis=2)) if min(x.shape[:2]) >= BLUR_SIDE else None


# --- networks


def _network(make: Callable[[], Network]) -> Network:
    """Return a network, made once; what cannot be had is not asked for again, either."""
    found = _made(make, os.environ.get("HFX_WEIGHTS"), cache_folder())
    if isinstance(found, str):
        raise WeightsError(found)
    return found


@cache
def _made(make: Callable[[], Network], weights: str | None, cached: Path) -> Network | str:
    """Make a network, or say why not; that depends on where weights are looked for."""
    try:
        return make().eval()
    except WeightsError as error:
        return str(error)


def _squeeze() -> LPIPS:
    return LPIPS("squeeze")


def _lpips(
    x: Pixels, x_hat: Pixels, make: Callable[[], LPIPS], network: LPIPS | None
) -> float | None:
    _check(x, x_hat)
    if min(x.shape[:2]) < LPIPS_SIDE:
        return None
    network = network or _network(make)
    sums, counts = [0.0] * len(network.strides), [0] * len(network.strides)
    for layer, f, g in _features(network, x, x_hat, _STRIP_LPIPS):
        weighted = F.conv2d((f - g).square(), network.get_buffer(f"head{layer}"))
        sums[layer] += float(weighted.sum(dtype=torch.float64))
        counts[layer] += weighted.numel()
    return sum(s / n for s, n in zip(sums, counts, strict=True))


def _features(
    network: LPIPS | DISTS, x: Pixels, x_hat: Pixels, pixels: int
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield (layer, f, f') strip by strip: both pictures' features (1, C, h, w), each once."""
    height, width = x.shape[:2]
    for rows in _strips(height, width, pixels, network.strides[-1]):
        top = max(0, rows.start - _HALO)
        seen = slice(top, rows.stop + _HALO)
        with torch.inference_mode():
            pair = [network.features(to_tensor(picture[seen])) for picture in (x, x_hat)]
        for layer, stride in enumerate(network.strides):
            last = None if rows.stop == height else (rows.stop - top) // stride
            own = slice((rows.start - top) // stride, last)
            f, g = (features[layer][:, :, own] for features in pair)
            if f.numel():  # a last strip may be too low for a row of its own
                yield layer, f, g


def _check(x: Pixels, x_hat: Pixels) -> None:
    for picture in (x, x_hat):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise HfxError(f"metrics need (H, W, 3) uint8, not {picture.shape} {picture.dtype}")
    if x.shape != x_hat.shape:
        sizes = (f"{p.shape[1]} x {p.shape[0]}" for p in (x, x_hat))
        raise HfxError("pictures of {} and {} pixels cannot be compared".format(*sizes))


def _strips(height: int, width: int, pixels: int, multiple: int = 1) -> Iterator[slice]:
    """Slices of rows of about so many pixels each, their number of rows a multiple."""
    step = max(1, pixels // width // multiple) * multiple
    return (slice(top, min(top + step, height)) for top in range(0, height, step))


# --- SSIM on planes (3, H, W): uint8, or float32 in [0, 1]


def _planes(rgb: Pixels) -> Tensor:
    return torch.from_numpy(np.array(rgb).transpose(2, 0, 1))


def _unit(planes: Tensor) -> Tensor:
    return planes if planes.is_floating_point() else planes.float() / 255


def _halved(planes: Tensor) -> Tensor:
    """Average over 2x2 pixels; a last odd row or column counts twice."""

    def half(strip: Tensor) -> Tensor:
        odd = (0, strip.shape[2] % 2, 0, strip.shape[1] % 2)
        return F.avg_pool2d(F.pad(_unit(strip), odd, mode="replicate"), 2)

    strips = _strips(planes.shape[1], planes.shape[2], _STRIP, 2)
    return torch.cat([half(planes[:, rows]) for rows in strips], dim=1)


def _similarity(a: Tensor, b: Tensor) -> tuple[float, float]:
    """Return the means of l * cs and of cs."""
    margin = WINDOW - 1  # rows that a window needs below its first
    whole = structure = 0.0
    height, width = a.shape[1] - margin, a.shape[2] - margin
    for rows in _strips(height, width, _STRIP):
        seen = slice(rows.start, rows.stop + margin)
        x, y = _unit(a[:, seen]), _unit(b[:, seen])
        mu_x, mu_y, xx, yy, xy = _blurred(torch.stack([x, y, x * x, y * y, x * y]))
        l_ = (2 * mu_x * mu_y + C1) / (mu_x**2 + mu_y**2 + C1)
        cs = (2 * (xy - mu_x * mu_y) + C2) / (xx - mu_x**2 + yy - mu_y**2 + C2)
        whole += float((l_ * cs).sum(dtype=torch.float64))
        structure += float(cs.sum(dtype=torch.float64))
    places = 3 * height * width
    return whole / places, structure / places


def _blurred(stack: Tensor) -> Tensor:
    """Average (N, 3, h, w) under the Gaussian window: (N, 3, h - 10, w - 10)."""
    at = torch.arange(WINDOW) - WINDOW // 2
    gauss = torch.exp(-(at**2) / (2 * SIGMA**2))
    gauss = (gauss / gauss.sum()).reshape(1, 1, WINDOW, 1)
    flat = stack.flatten(0, 1)[:, None]
    flat = F.conv2d(F.conv2d(flat, gauss), gauss.mT)
    return flat.reshape(*stack.shape[:2], *flat.shape[2:])
