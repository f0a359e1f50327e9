"""Whole pictures through a model in training: rate, PSNR and LPIPS, and a strip to look at."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hfx.compressor import Compressor
from hfx.data import load_pictures
from hfx.errors import HfxError
from hfx.files import atomic
from hfx.folders import make_room
from hfx.perceptual import LPIPS

STRIP = 256  # side of the pictures in a sample grid


def whole(picture: np.ndarray, device: torch.device) -> Tensor:
    """Return the picture cut to multiples of 64, (1, 3, H, W) in [0, 1]."""
    h, w = (side // 64 * 64 for side in picture.shape[:2])
    x = torch.from_numpy(picture[:h, :w].copy()).to(device).permute(2, 0, 1)[None].float() / 255
    return x.to(memory_format=torch.channels_last)


@torch.inference_mode()
def validate(
    model: Compressor, folder: Path, lpips: LPIPS | None
) -> list[tuple[str, float, float, float]]:
    """Return (tier, bpp, PSNR in dB, LPIPS) per tier, means over the pictures of a folder.

    In float32, as the codec computes. The rate is the estimate without the container; PSNR is a
    mean of per-picture values; LPIPS is NaN where there is none.

    Raises:
        HfxError: the folder holds no picture of at least 64 pixels.
    """
    device = next(model.parameters()).device
    pictures = pictures_in(folder, least=64)
    sums = np.zeros((len(model.arch.tiers), 3))
    for picture in pictures:
        x = whole(picture, device)
        y = model.encoder(x)  # the same for every tier
        for number in range(len(model.arch.tiers)):
            tier = torch.tensor([float(number)], device=device)
            y_hat, *_, bits = model.code(y, tier, None)
            x_hat = (model.generator(y_hat, tier).clamp(0, 1) * 255).round() / 255
            bpp = float(bits) / (x.shape[2] * x.shape[3])
            psnr = float(-10 * (x - x_hat).square().mean().clamp_min(1e-10).log10())
            sums[number] += bpp, psnr, float("nan") if lpips is None else float(lpips(x, x_hat))
    return [
        (tier, float(bpp), float(psnr), float(distance))
        for tier, (bpp, psnr, distance) in zip(model.arch.tiers, sums / len(pictures), strict=True)
    ]


def pictures_in(folder: Path, least: int) -> list[np.ndarray]:
    """Return all pictures of a folder with sides of at least `least`, held-out names or not.

    Raises:
        HfxError: there is none.
    """
    found = []
    for held in (False, True):
        try:
            found += load_pictures([folder], held=held, least=least)
        except HfxError:
            if not folder.exists():
                raise
    if not found:
        raise HfxError(f"no picture of at least {least} pixels in {folder}")
    return found


@torch.inference_mode()
def sample_grid(model: Compressor, folder: Path, path: Path, count: int = 4) -> None:
    """Save originals beside every tier's reconstruction, 256x256 from the middle, as a PNG.

    Raises:
        HfxError: the folder holds no picture of that size.
    """
    device = next(model.parameters()).device
    rows = []
    for picture in pictures_in(folder, least=STRIP)[:count]:
        top, left = ((side - STRIP) // 2 for side in picture.shape[:2])
        x = whole(picture[top : top + STRIP, left : left + STRIP], device)
        views = [x] + [
            model(x, torch.tensor([float(number)], device=device)).x_hat
            for number in range(len(model.arch.tiers))
        ]
        rows.append(torch.cat(views, dim=3))
    grid = torch.cat(rows, dim=2)[0].clamp(0, 1).mul(255).round().byte()
    make_room(path)
    with atomic(path) as temporary:
        Image.fromarray(grid.permute(1, 2, 0).cpu().numpy()).save(temporary)
