"""From a run to weights that ship: tiers put at their rates, the prior turned into integers."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hfx import checkpoint, weights
from hfx.compressor import Compressor
from hfx.config import RATE_TARGETS, Architecture
from hfx.data import load_pictures
from hfx.entropy import fixedpoint
from hfx.entropy.fixedpoint import ACT_BITS, LOG2_BITS
from hfx.errors import HfxError, WeightsError
from hfx.networks.layers import pick_tier
from hfx.prior import Prior
from hfx.validate import whole
from hfx.weights import Weights


def export(
    run: Path,
    out: Path,
    sources: list[Path] | None = None,
    about: dict[str, Any] | None = None,
    gan: Path | None = None,
    realism: float | None = None,
) -> Weights:
    """Write a run's averaged weights as one file that compresses and decompresses.

    Args:
        run: Folder of a run, or its checkpoint.
        out: The file to write.
        sources: Pictures whose held-out part says where each tier's target rate lies; without
            them the tiers stay where training left them.
        about: More to say of these weights in their header.
        gan: A stage 2 run that began with `run`: its generator goes into the file too.
        realism: How far to go towards it where a decoder is told nothing; all the way by default.

    Raises:
        WeightsError: a run cannot be read, or `gan` changed more than G, or nothing.
        HfxError: realism is not from 0 to 1, or given without `gan`.
    """
    if realism is None:
        realism = 1.0
    elif gan is None:
        raise HfxError("realism needs a second generator; name its run too, with --gan")
    if not 0 <= realism <= 1:
        raise HfxError(f"realism goes from 0 to 1, not {realism}")
    model, story = read(run)
    story |= about or {}
    second = None
    if gan is not None:
        second, story["gan"] = read(gan)
        same_files(model, second, gan)
    if sources and len(model.arch.tiers) > 1:
        pictures = load_pictures(sources, held=True, least=256)
        positions = calibrate(model, pictures, [RATE_TARGETS[t] for t in model.arch.tiers])
        rebase(model, positions)
        if second is not None:
            rebase(second, positions)
        story["tier_positions"] = [round(p, 3) for p in positions]
    exported = freeze(model, story)
    if second is not None:
        generator = copy.deepcopy(second.generator).requires_grad_(False)
        exported = replace(exported, gan=generator, realism=realism)
    weights.save(exported, out)
    return weights.load(out)


def read(run: Path) -> tuple[Compressor, dict[str, Any]]:
    """Return a run's averaged weights, and how they came about.

    Raises:
        WeightsError: the run cannot be read.
    """
    path = run / "checkpoint.safetensors" if run.is_dir() else run
    tensors, meta = checkpoint.read(path)
    model = Compressor(Architecture.from_dict(meta["architecture"])).eval()
    checkpoint.restore("average", model, tensors)
    minutes = round(meta["seconds"] / 60, 1)
    return model, {"step": meta["step"], "minutes": minutes, "settings": meta["settings"]}


def same_files(first: Compressor, second: Compressor, run: Path) -> None:
    """Raise WeightsError unless two models differ in G, as float16 keeps it, and in G alone."""
    theirs, changed = second.state_dict(), False
    for name, value in first.state_dict().items():
        if name.startswith("generator.") and name in theirs:
            changed |= not torch.equal(value.half(), theirs[name].half())
            continue
        if name not in theirs or not torch.equal(value, theirs[name]):
            raise WeightsError(
                f"{run} changed {name}, so its files are not those of the first run; export it "
                "by itself, or train stage 2 --from the first run without --joint"
            )
    if not changed:
        raise WeightsError(f"{run} has the first run's generator; give a run of stage 2")


@torch.inference_mode()
def analyse(model: Compressor, pictures: list[np.ndarray]) -> list[torch.Tensor]:
    """Return y of whole pictures, cut to multiples of 64: each (1, C_y, h, w)."""
    return [model.encoder(whole(picture, torch.device("cpu"))) for picture in pictures]


@torch.inference_mode()
def mean_rate(model: Compressor, latents: list[torch.Tensor], tier: float) -> float:
    """Return the mean bits per pixel of analysed pictures at a position between the tiers."""
    rates = []
    for y in latents:
        *_, bits = model.code(y, torch.tensor([tier]), None)
        rates.append(float(bits) / (256 * y.shape[2] * y.shape[3]))
    return sum(rates) / len(rates)


def calibrate(model: Compressor, pictures: list[np.ndarray], targets: list[float]) -> list[float]:
    """Find the positions between the trained tiers whose mean rate is each target.

    Raises:
        HfxError: a target lies beyond what the gains reach.
    """
    positions, latents = [], analyse(model, pictures)
    for target in targets:
        low, high = -1.0, len(targets) + 0.0
        if not mean_rate(model, latents, low) < target < mean_rate(model, latents, high):
            raise HfxError(f"{target} bpp is out of reach of these weights; train longer")
        for _ in range(7):
            middle = (low + high) / 2
            if mean_rate(model, latents, middle) < target:
                low = middle
            else:
                high = middle
        positions.append((low + high) / 2)
    return positions


@torch.no_grad()
def rebase(model: Compressor, positions: list[float]) -> None:
    """Make the given positions the tiers: every per-tier vector is read off there."""
    at = torch.tensor(positions)
    for name, vector in model.named_parameters():
        if "log" in name.rpartition(".")[2]:  # one row a tier, in the logarithmic domain
            vector.copy_(pick_tier(vector.clone(), at)[:, :, 0, 0])


def freeze(model: Compressor, about: dict[str, Any]) -> Weights:
    """Turn a trained model into weights: gains, h_s and tables become integers."""
    model = copy.deepcopy(model).eval().requires_grad_(False)
    prior = Prior(
        mean=fixedpoint.quantize_stack(model.hyper_synthesis.mean),
        scale=fixedpoint.quantize_stack(model.hyper_synthesis.scale),
        log2_gain=integers(model.log2_gain, LOG2_BITS),
        log2_gain_z=integers(model.log2_gain_z, LOG2_BITS),
        z_index=integers(model.z_index, ACT_BITS),
        tables_y=weights.gaussian_tables(),
        tables_z=weights.logistic_tables(),
    )
    return Weights(
        arch=model.arch,
        encoder=model.encoder,
        generator=model.generator,
        hyper_analysis=model.hyper_analysis,
        log2_degain=model.log2_degain.detach(),
        prior=prior,
        fingerprint=prior.fingerprint(),
        about=about,
    )


def integers(values: torch.Tensor, bits: int) -> np.ndarray:
    """Round to a grid of 2^-bits."""
    return np.rint(values.detach().double().numpy() * 2.0**bits).astype(np.int64)
