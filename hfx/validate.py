"""Whole pictures through a model in training: rate, PSNR and LPIPS, and a strip to look at."""

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from hfx.compressor import Compressor
from hfx.data import load_pictures
from hfx.errors import HfxError
from hfx.files import atomic
from hfx.folders import make_room
from hfx.losses import GRIDS, high_pass, phase_means
from hfx.networks.ladder import Block, Detail
from hfx.perceptual import LPIPS

M = TypeVar("M", bound=nn.Module)
STRIP = 256  # side of the pictures in a sample grid


def whole(picture: np.ndarray, device: torch.device) -> Tensor:
    """Return the picture cut to multiples of 64, (1, 3, H, W) in [0, 1]."""
    h, w = (side // 64 * 64 for side in picture.shape[:2])
    x = torch.from_numpy(picture[:h, :w].copy()).to(device).permute(2, 0, 1)[None].float() / 255
    return x.to(memory_format=torch.channels_last)


class Aliveness(NamedTuple):
    """How much the residual blocks of a ladder do.

    Attributes:
        e: Deviation of what E's blocks change in y, by y's deviation; the mean over channels.
        g: Deviation of what G's blocks and its detail change in x_hat, by that of x_hat.
        grey: The same of G in grey levels.
    """

    e: float
    g: float
    grey: float


@torch.inference_mode()
def aliveness(model: Compressor, pictures: list[Tensor], tier: float = 0.0) -> Aliveness:
    """Return what changes when the last convolution of every block is put to zero.

    A network whose blocks change nothing is a linear transform, however long it was trained.

    Args:
        model: A ladder.
        pictures: (1, 3, H, W) each, H and W multiples of 64.
        tier: Where the latents that G sees are quantised; the first tier.
    """
    E, G, changes, latents, of_g, of_x = model.encoder, model.generator, [], [], [], []
    silent_e, silent_g = silenced(E), silenced(G)
    at = torch.tensor([tier], device=pictures[0].device)
    for x in pictures:
        y = E(x)
        changes.append((y - silent_e(x)).flatten(2)[0])
        latents.append(y.flatten(2)[0])
        y_hat = model.code(y, at, None)[0]
        x_hat = G(y_hat, at)
        of_g.append(float((x_hat - silent_g(y_hat, at)).std()))
        of_x.append(float(x_hat.std()))
    change, whole_y = (torch.cat(v, 1).std(1) for v in (changes, latents))  # (C_y,)
    e = float((change / whole_y.clamp_min(1e-6)).mean())
    return Aliveness(e, sum(of_g) / sum(of_x), sum(of_g) / len(of_g) * 255)


def silenced(network: M) -> M:
    """Return a copy of a ladder's network whose blocks add nothing."""
    quiet = copy.deepcopy(network)
    for part in quiet.modules():
        if isinstance(part, Block | Detail):
            for p in part.last.parameters():
                p.zero_()
    return quiet


@torch.inference_mode()
def grids(pictures: Iterable[Tensor]) -> tuple[float, float, float]:
    r"""Return how far pictures depend on the place in a grid of 4, 8 and 16 pixels.

    The deviation over the places of the grid of the mean high-pass there, divided by the
    high-pass's deviation; the mean over pictures. Sampling noise alone gives photographs
    some .02, .04 and .06.

    Shapes: (1, 3, H, W) each, H and W multiples of 16.
    """
    rows = []
    for x in pictures:
        v = high_pass(x)
        rows.append([float(phase_means(v, p).std() / v.std().clamp_min(1e-6)) for p in GRIDS])
    four, eight, sixteen = np.mean(rows, axis=0)
    return float(four), float(eight), float(sixteen)


class Measured(NamedTuple):
    """What one tier does to whole pictures; means over them.

    Attributes:
        tier: Its name.
        bpp: The estimated rate in bits per pixel, without the container.
        psnr: In dB, of pictures rounded to 8 bits.
        lpips: NaN where there is none.
        grids: Of the decoded pictures, see `grids`.
    """

    tier: str
    bpp: float
    psnr: float
    lpips: float
    grids: tuple[float, float, float]


@torch.inference_mode()
def validate(model: Compressor, pictures: list[Tensor], lpips: LPIPS | None) -> list[Measured]:
    """Measure every tier in float32, as the codec computes.

    Shapes: pictures (1, 3, H, W) each, H and W multiples of 64.
    """
    rows = []
    latents = [model.encoder(x) for x in pictures]  # the same for every tier
    for number, name in enumerate(model.arch.tiers):
        tier = torch.tensor([float(number)], device=pictures[0].device)
        sums, made = np.zeros(3), []
        for x, y in zip(pictures, latents, strict=True):
            y_hat, *_, bits = model.code(y, tier, None)
            x_hat = (model.generator(y_hat, tier).clamp(0, 1) * 255).round() / 255
            bpp = float(bits) / (x.shape[2] * x.shape[3])
            psnr = float(-10 * (x - x_hat).square().mean().clamp_min(1e-10).log10())
            sums += bpp, psnr, float("nan") if lpips is None else float(lpips(x, x_hat))
            made.append(grids([x_hat]))
        bpp, psnr, distance = sums / len(pictures)
        four, eight, sixteen = np.mean(made, axis=0)
        dots = (float(four), float(eight), float(sixteen))
        rows.append(Measured(name, float(bpp), float(psnr), float(distance), dots))
    return rows


def wholes(folder: Path, device: torch.device) -> list[Tensor]:
    """Return all pictures of a folder, cut to multiples of 64.

    Raises:
        HfxError: the folder holds no picture of at least 64 pixels.
    """
    return [whole(picture, device) for picture in pictures_in(folder, least=64)]


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
