r"""How far apart two pictures are: PSNR, SSIM, MS-SSIM and LPIPS.

Pictures are (H, W, 3) uint8 and of one size. A measure that is not defined for a picture so small
is None. Everything runs over strips of rows, so that memory stays bounded at any size; strips
overlap as far as a filter reaches, so the result is that of the whole picture.

They answer different questions. PSNR and SSIM reward a faithful, if blurred, copy; LPIPS and
people reward one that looks real. A generative codec gives up some of the former for the latter.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from hfx.errors import HfxError
from hfx.image import to_tensor
from hfx.perceptual import LPIPS

Pixels = NDArray[np.uint8]

WINDOW, SIGMA = 11, 1.5  # SSIM's Gaussian window
C1, C2 = 0.01**2, 0.03**2  # keep SSIM's quotients finite, for pixels in [0, 1]
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # MS-SSIM's exponents, finest first
SSIM_SIDE = WINDOW
MS_SSIM_SIDE = (WINDOW - 1) * 2 ** (len(SCALES) - 1) + 1  # 161
LPIPS_SIDE = 31  # below it AlexNet's last layers have no pixel

_STRIP = 250_000  # pixels measured at a time by SSIM
_STRIP_LPIPS = 1_000_000
_STRIDES = (4, 8, 16, 16, 16)  # of LPIPS's five layers
_HALO = 112  # pixels; no LPIPS feature looks further than 97


def psnr(x: Pixels, x_hat: Pixels) -> float:
    r"""Peak signal-to-noise ratio in dB; infinite for equal pictures.

    .. math:: 10 \log_{10} \frac{255^2}{\text{MSE}}, \quad
        \text{MSE} = \frac{1}{3HW} \sum (x - \hat x)^2
    """
    _check(x, x_hat)
    squares = 0
    for rows in _strips(x.shape[0], x.shape[1], _STRIP):
        difference = x[rows].astype(np.int32) - x_hat[rows]
        squares += int(np.square(difference).sum(dtype=np.int64))
    return 10 * float(np.log10(255**2 * x.size / squares)) if squares else float("inf")


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
    _check(x, x_hat)
    height, width = x.shape[:2]
    if min(height, width) < LPIPS_SIDE:
        return None
    network = network or _network()
    sums, counts = [0.0] * len(_STRIDES), [0] * len(_STRIDES)
    for rows in _strips(height, width, _STRIP_LPIPS, _STRIDES[-1]):
        top = max(0, rows.start - _HALO)
        seen = slice(top, rows.stop + _HALO)
        with torch.inference_mode():
            pair = (network.features(to_tensor(picture[seen])) for picture in (x, x_hat))
            for layer, (f, g) in enumerate(zip(*pair, strict=True)):
                stride = _STRIDES[layer]
                last = None if rows.stop == height else (rows.stop - top) // stride
                own = slice((rows.start - top) // stride, last)
                difference = (f[:, :, own] - g[:, :, own]).square()
                if not difference.numel():  # a last strip too low for a row of its own
                    continue
                weighted = F.conv2d(difference, network.get_buffer(f"head{layer}"))
                sums[layer] += float(weighted.sum(dtype=torch.float64))
                counts[layer] += weighted.numel()
    return sum(s / n for s, n in zip(sums, counts, strict=True))


@cache
def _network() -> LPIPS:
    return LPIPS().eval()


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
