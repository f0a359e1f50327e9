"""Pictures and runs made on the spot, for tests of training."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image

from hfx.config import Losses, Training
from hfx.data import Crops, held_out, patches_of
from hfx.networks.ladder import Block, Detail
from hfx.run import Run, start

CPU = torch.device("cpu")
NO_LPIPS = replace(Losses(), k_P=0.0)  # so that no backbone is needed


def picture(seed, height=128, width=160):
    """Noise with a photograph's 1/f spectrum, (height, width, 3) uint8."""
    draw = np.random.default_rng(seed)
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None]
    fall = 1 / np.maximum(np.hypot(fy, fx), 1 / max(height, width)) ** 1.3
    grey = np.fft.ifft2(np.fft.fft2(draw.standard_normal((height, width))) * fall).real
    tint = np.fft.ifft2(np.fft.fft2(draw.standard_normal((height, width))) * fall).real
    rgb = np.stack([grey, 0.9 * grey + 0.2 * tint, 0.8 * grey - 0.2 * tint], axis=-1)
    return np.clip(128 + 45 * rgb / rgb.std(), 0, 255).astype(np.uint8)


@cache
def pictures(count=4, **size):
    return [picture(seed, **size) for seed in range(count)]


def loud(network):
    """Return a ladder whose blocks say much: they start nearly silent."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (Block, Detail)):
                module.last.weight.mul_(100)
    return network


def folder(path, count=4, held=0, **size):
    """A folder with `count` pictures to train on and `held` that are kept from training."""
    Path(path).mkdir(parents=True, exist_ok=True)
    wanted = {False: count, True: held}
    for number in range(10_000):
        name = f"p{number:04d}.png"
        if wanted[held_out(name)] > 0:
            wanted[held_out(name)] -= 1
            Image.fromarray(picture(number, **size)).save(Path(path) / name)
        if not any(wanted.values()):
            return Path(path)
    raise AssertionError


def settings(**changes):
    """The smallest run there is: tiny, 64x64 crops, float32, no LPIPS."""
    smallest = Training(
        preset="tiny", steps=6, batch=3, crop=64, warmup=2, decay=2, bf16=False, losses=NO_LPIPS
    )
    return replace(smallest, **changes)


@cache
def patches():
    return patches_of(pictures())


def run_of(**changes) -> Run:
    """A run at step 0; the patches of its pictures, the same for all, are cut once."""
    with patch("hfx.run.patches_of", lambda pictures: patches()):
        return start(settings(**changes), CPU, pictures())


def batch_of(run: Run, step=0, **slices):
    arch, how = run.model.arch, run.settings
    latents = (arch.latent, arch.hyper)
    crops = Crops(pictures(), how.crop, how.batch, latents, len(arch.tiers), how.seed)
    return crops.at(step, CPU, **slices)
