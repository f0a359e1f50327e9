"""How a run is judged: on its log, and on photographs that it has never seen."""

import csv
import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hfx.compressor import Compressor
from hfx.distribution import Features, fid768, kid768
from hfx.validate import aliveness

EXPLODED = 2.0  # times the MSE of a run's beginning at its end
REACH = 6.0  # octaves of the quantiser's step to look for a rate in

Distances = dict[str, Callable[[Tensor, Tensor], Tensor]]


# --- the log


def of_log(path: Path) -> dict[str, Any]:
    """Return what a run's log.csv, a row a step, says of its rate and its stability.

    `rate`: mean bits per pixel of the last fifth's crops, which the controller wants at r_t;
    `zeta`: mean rate weight in the second half; `grad_median`, `grad_peak`: norms of the gradient
    before clipping, after the warm-up; `judged`: D's mean logit of photographs less that of
    reconstructions, in the last fifth; `diverged`: whether anything was not finite, or the MSE
    ended above twice what it began with.
    """
    with open(path, newline="", encoding="utf-8") as file:
        rows = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]

    def column(name: str, start: float = 0.0, stop: float = 1.0) -> list[float]:
        part = rows[int(start * len(rows)) : max(1, int(stop * len(rows)))]
        return [row[name] for row in part if name in row]

    norms = column("grad_norm", 0.1)
    finite = all(math.isfinite(v) for row in rows for v in row.values())
    began, ended = mean(column("mse", 0, 0.1)), mean(column("mse", 0.9))
    has_d = "grad_norm_d" in rows[0]
    # steps whose crops are all drawn have no rate, and a short run may end with such steps
    rates = column("bpp_medium", 0.8) or column("bpp_medium") or [math.nan]
    return {
        "rate": mean(rates),
        "zeta": mean(column("zeta_medium", 0.5)),
        "grad_median": median(norms),
        "grad_peak": max(norms),
        "grad_peak_d": max(column("grad_norm_d", 0.1)) if has_d else None,
        "judged": mean(column("d_real", 0.8)) - mean(column("d_fake", 0.8)) if has_d else None,
        "diverged": int(not finite or not ended < EXPLODED * began),
    }


# --- photographs


def cut(picture: np.ndarray, side: int) -> Tensor:
    """Return the picture cut to multiples of `side`, (1, 3, H, W) in [0, 1]."""
    h, w = (length // side * side for length in picture.shape[:2])
    return torch.from_numpy(picture[:h, :w].copy()).permute(2, 0, 1)[None].float() / 255


def tiles_of(x: Tensor, side: int) -> Tensor:
    """Cut (1, C, H, W) into (n, C, side, side), row by row."""
    c, h, w = x.shape[1:]
    x = x.reshape(c, h // side, side, w // side, side)
    return x.permute(1, 3, 0, 2, 4).reshape(-1, c, side, side)


def untiled(tiles: Tensor, height: int, width: int) -> Tensor:
    """Put what `tiles_of` cut together again."""
    _, c, side, _ = tiles.shape
    x = tiles.reshape(height // side, width // side, c, side, side)
    return x.permute(2, 0, 3, 1, 4).reshape(1, c, height, width)


@torch.inference_mode()
def through(model: Compressor, x: Tensor, side: int | None = None) -> tuple[Tensor, float]:
    """Return the reconstruction in 8 bit, and its bits per pixel as the hyperprior estimates them.

    With `side`, each tile of that size is coded by itself, as if it were a picture.
    """
    height, width = x.shape[2:]
    shown = x if side is None else tiles_of(x, side)
    out = model(shown.to(memory_format=torch.channels_last), torch.zeros(len(shown)))
    x_hat = out.x_hat if side is None else untiled(out.x_hat.contiguous(), height, width)
    return (x_hat.clamp(0, 1) * 255).round() / 255, float(out.bits.sum()) / (height * width)


@torch.inference_mode()
def quality(
    model: Compressor, pictures: Sequence[Tensor], distances: Distances, side: int | None = None
) -> tuple[dict[str, float], list[Tensor]]:
    """Return means over pictures, bpp, PSNR in dB and each distance, and the reconstructions."""
    sums, made = dict.fromkeys(("bpp", "psnr", *distances), 0.0), []
    for x in pictures:
        x_hat, bpp = through(model, x, side)
        sums["bpp"] += bpp
        sums["psnr"] += float(-10 * (x - x_hat).square().mean().clamp_min(1e-10).log10())
        for name, distance in distances.items():
            sums[name] += float(distance(x, x_hat))
        made.append(x_hat)
    return {k: v / len(pictures) for k, v in sums.items()}, made


def convolved(model: Compressor, pictures: Sequence[Tensor]) -> dict[str, float]:
    """Return what E's and G's blocks do, see `hfx.validate.aliveness`.

    `e_convs` is a share of y's deviation, `g_convs` is in grey levels. Where both are small,
    variants of the convolutions are variants of nothing. Figure 1 has nothing but convolutions.
    """
    if not model.arch.ladder:
        return {}
    alive = aliveness(model, list(pictures))
    return {"e_convs": alive.e, "g_convs": alive.grey}


@torch.no_grad()
def moved(model: Compressor, octaves: float) -> Compressor:
    """Return the model with a quantiser finer by so many octaves; E, h_a, h_s and G stay."""
    other = deepcopy(model)
    other.log2_gain.add_(octaves)
    other.log2_gain_z.add_(octaves)
    other.log2_degain.sub_(octaves)
    return other


@torch.inference_mode()
def at_rate(model: Compressor, pictures: Sequence[Tensor], target: float) -> Compressor | None:
    """Return the model with the quantiser at which the pictures' mean rate is the target.

    Variants end at rates of their own; only at one rate their pictures can be compared. None
    where no quantiser within `REACH` comes to within 2 %.
    """
    latents = [model.encoder(x.to(memory_format=torch.channels_last)) for x in pictures]

    def rate(octaves: float) -> float:
        other = moved(model, octaves)
        return mean(
            float(other.code(y, torch.zeros(1), None)[-1]) / (256 * y.shape[2] * y.shape[3])
            for y in latents
        )

    low, high = -REACH, REACH
    for _ in range(10):
        middle = (low + high) / 2
        low, high = (middle, high) if rate(middle) < target else (low, middle)
    if abs(rate((low + high) / 2) / target - 1) > 0.02:
        return None
    return moved(model, (low + high) / 2)


def crowd(network: torch.nn.Module, pictures: Sequence[Tensor]) -> Features:
    """Return Inception's features of the pictures' patches."""
    features = Features(network)
    for x in pictures:
        features.add((x[0] * 255).round().byte().permute(1, 2, 0).numpy())
    return features


def apart(a: Features, b: Features) -> dict[str, float]:
    """Return FID-768 and KID-768 of two sets of patches."""
    return {"fid768_at": fid768(a, b), "kid768_at": kid768(a, b)[0]}
