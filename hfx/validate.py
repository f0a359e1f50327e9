"""Whole pictures through a model in training: rate, PSNR and LPIPS, and a strip to look at."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hfx.compressor import Compressor
from hfx.data import load_pictures
from hfx.perceptual import LPIPS


def whole(picture: np.ndarray, device: torch.device) -> Tensor:
    """Return the picture cut to multiples of 64, (1, 3, H, W) in [0, 1]."""
    h, w = (side // 64 * 64 for side in picture.shape[:2])
    x = torch.from_numpy(picture[:h, :w].copy()).to(device).permute(2, 0, 1)[None].float() / 255
    return x.to(memory_format=torch.channels_last)


@torch.inference_mode()
def validate(model: Compressor, folder: Path) -> Iterator[tuple[str, float, float, float]]:
    """Yield (tier, bpp, PSNR in dB, LPIPS), means over the pictures of a folder.

    The rate is the estimate without the container; PSNR is a mean of per-picture values.
    """
    device = next(model.parameters()).device
    lpips = LPIPS().to(device).eval()
    pictures = [p for side in (False, True) for p in load_safely(folder, side)]
    for number, tier in enumerate(model.arch.tiers):
        rows = []
        for picture in pictures:
            x = whole(picture, device)
            with torch.autocast(device.type, torch.bfloat16, enabled=True):
                out = model(x, torch.tensor([float(number)], device=device))
            x_hat = (out.x_hat.clamp(0, 1) * 255).round() / 255
            bpp = float(out.bits_y + out.bits_z) / (x.shape[2] * x.shape[3])
            psnr = float(-10 * (x - x_hat).square().mean().log10())
            rows.append((bpp, psnr, float(lpips(x, x_hat))))
        bpp, psnr, distance = (sum(column) / len(rows) for column in zip(*rows, strict=True))
        yield tier, bpp, psnr, distance


def load_safely(folder: Path, held: bool) -> list[np.ndarray]:
    """Return a part of a folder's pictures, held-out names or not; it may be empty."""
    try:
        return load_pictures([folder], held=held, least=64)
    except Exception:
        return []


@torch.inference_mode()
def sample_grid(model: Compressor, folder: Path, path: Path, count: int = 4) -> None:
    """Save originals beside every tier's reconstruction, 256x256 from the middle, as a PNG."""
    device = next(model.parameters()).device
    rows = []
    for picture in load_safely(folder, held=False)[:count]:
        top, left = (side // 2 - 128 for side in picture.shape[:2])
        x = whole(picture[top : top + 256, left : left + 256], device)
        with torch.autocast(device.type, torch.bfloat16, enabled=True):
            views = [x] + [
                model(x, torch.tensor([float(number)], device=device)).x_hat
                for number in range(len(model.arch.tiers))
            ]
        rows.append(torch.cat(views, dim=3))
    grid = torch.cat(rows, dim=2)[0].clamp(0, 1).mul(255).round().byte()
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grid.permute(1, 2, 0).cpu().numpy()).save(path)
