"""The options of `hfx train`; argparse, because training must not need more."""

import argparse
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from hfx.config import COMPACT, PRESETS, TIERS, Losses, Training
from hfx.errors import HfxError

SETTINGS = {  # Training's fields that are options of their own: what a plain number means
    "steps": "length of the run",
    "batch": "crops a step, over all processes",
    "crop": "side of a crop, a multiple of 64",
    "lr": "learning rate",
    "lr_d": "learning rate of D",
    "warmup": "steps until the learning rate is up",
    "decay": "last steps, over which it falls to zero",
    "clip": "largest norm of the gradient",
    "ema": "memory of the averaged weights",
    "seed": "of crops, noise and first weights",
}
LOSSES = {
    "k_M": "weight of the MSE on the 0 to 255 scale",
    "k_P": "weight of LPIPS; 0 trains without it",
    "k_S": "weight of steps in smooth places; 0 is the paper's loss",
    "k_G": "weight of dots and blocks on a grid; 0 is the paper's loss",
    "alpha": "weight of -log D(x', y) in stage 2",
    "rate_memory": "momentum of the running rate; 0 is the paper's rule",
    "zeta_a": "rate weight above r_t, one a tier",
    "zeta_b": "rate weight below r_t, one a tier",
    "rate_targets": "r_t in bits per pixel, one a tier",
}


def parser() -> argparse.ArgumentParser:
    """Return the parser; settings that were not given are absent from what it returns."""
    p = argparse.ArgumentParser(
        prog="hfx train",
        description="Stage 1 trains E, G and the hyperprior (Eq. 5), stage 2 G and D (Eq. 6).",
    )
    add = p.add_argument
    add("--data", nargs="+", type=Path, required=True, metavar="DIR|SHARD.tar",
        help="training pictures")  # fmt: skip
    add("--out", type=Path, required=True, metavar="RUN", help="folder of the run")
    # torchrun takes --start for its own --start-method, even behind the module's name
    add("--from", "--start", dest="start", type=Path, metavar="RUN",
        help="begin with another run's averaged weights")  # fmt: skip
    add("--resume", action="store_true",
        help="go on from RUN's checkpoint; settings not given stay as they were")  # fmt: skip
    add("--max-minutes", type=float, default=float("inf"), help="stop after this long")
    add("--save-minutes", type=float, default=5.0, help="between checkpoints")
    add("--evaluate", type=Path, metavar="DIR", help="measure on these whole pictures")
    add("--evaluate-minutes", type=float, default=20.0, help="between two measurements")
    add("--log-every", type=int, default=10, metavar="STEPS", help="between rows of log.csv")
    add("--device", default="auto", help="auto, cpu or cuda")
    add("--compile", action="store_true", help="compile E, G and LPIPS; pays on a GPU")

    default = Training()
    own = p.add_argument_group("settings, kept in the checkpoint")
    own.add_argument("--preset", choices=PRESETS, default=argparse.SUPPRESS,
                     help=f"sizes of the networks ({default.preset})")  # fmt: skip
    own.add_argument("--tier", choices=TIERS, default=argparse.SUPPRESS,
                     help="train for this rate alone, as the paper does")  # fmt: skip
    own.add_argument("--stage", type=int, choices=(1, 2), default=argparse.SUPPRESS,
                     help="1: Eq. 5; 2: Eq. 6, with D (1)")  # fmt: skip
    own.add_argument("--joint", action="store_true", default=argparse.SUPPRESS,
                     help="stage 2: train E and the hyperprior as well")  # fmt: skip
    own.add_argument("--precision", choices=("auto", "bf16", "fp32"), default=argparse.SUPPRESS,
                     help="auto: the faster one here (auto)")  # fmt: skip
    own.add_argument("--perceptual", choices=("alex", "squeeze", "turns"),
                     default=argparse.SUPPRESS,
                     help="whose features LPIPS compares; turns: both (turns)")  # fmt: skip
    own.add_argument("--scratch", dest="warm", action="store_false", default=argparse.SUPPRESS,
                     help="begin with random weights, not at the PCA of patches")  # fmt: skip
    own.add_argument("--change", dest="changes", action="append", metavar="FIELD=VALUE",
                     default=argparse.SUPPRESS,
                     help="an architecture other than the preset's, once for each field: "
                     "norm=instance, generator_blocks=0,0,2, spectral=false")  # fmt: skip
    for names, start in ((SETTINGS, default), (LOSSES, default.losses)):
        for name, meaning in names.items():
            value = getattr(start, name)
            one = value[0] if isinstance(value, tuple) else value
            shown = " ".join(f"{v:g}" for v in value) if isinstance(value, tuple) else f"{value:g}"
            own.add_argument(
                f"--{name.replace('_', '-')}",
                dest=name,
                type=type(one),
                nargs="+" if isinstance(value, tuple) else None,
                default=argparse.SUPPRESS,
                help=f"{meaning} ({shown})",
            )
    return p


def settings_of(given: dict[str, Any], base: Training | None) -> Training:
    """Change those settings that were given; `base` is a resumed run's, None for a new run.

    Raises:
        HfxError: a change to the architecture is none.
    """
    losses = base.losses if base else Losses()
    precision = given.get("precision", None if base else "auto")
    values: dict[str, Any] = {f.name: given[f.name] for f in fields(Training) if f.name in given}
    if precision is not None:
        values["bf16"] = precision == "bf16" or (precision == "auto" and bf16_pays())
    changed: dict[str, Any] = {
        name: tuple(given[name]) if isinstance(given[name], list) else given[name]
        for name in LOSSES
        if name in given
    }
    values["losses"] = replace(losses, **changed)
    if "changes" in given:
        values["changes"] = (base.changes if base else {}) | changes_of(given["changes"])
    settings = replace(base or Training(), **values)
    settings.architecture()  # says what is wrong before pictures are read
    return settings


def changes_of(given: list[str]) -> dict[str, Any]:
    """Read FIELD=VALUE as the type of the field; numbers of a tuple are separated by commas.

    Raises:
        HfxError: there is no such field, or the value is not of its type.
    """
    found: dict[str, Any] = {}
    known = [f.name for f in fields(COMPACT) if f.name not in ("name", "tiers")]
    for one in given:
        name, _, text = (part.strip() for part in one.partition("="))
        if name not in known:
            raise HfxError(f"--change {one}: fields are {', '.join(known)}")
        now = getattr(COMPACT, name)
        try:
            if isinstance(now, bool):
                found[name] = {"true": True, "false": False}[text.lower()]
            elif isinstance(now, tuple):
                found[name] = tuple(int(number) for number in text.split(","))
            else:
                found[name] = type(now)(text)
        except (KeyError, ValueError):
            shown = ",".join(map(str, now)) if isinstance(now, tuple) else str(now).lower()
            raise HfxError(f"--change {name} takes a value like {shown}, not {text!r}") from None
    return found


def bf16_pays() -> bool:
    """Say whether bfloat16 is worth it here, by timing one convolution: some CPUs slow down."""
    if torch.cuda.is_available():
        return True
    times = []
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.randn(3, 96, 64, 64, dtype=dtype).to(memory_format=torch.channels_last)
        weight = torch.randn(96, 96, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
        for _ in range(2):  # the first run compiles kernels
            begun = time.perf_counter()
            for _ in range(5):
                F.conv2d(x, weight, padding=1)
            spent = time.perf_counter() - begun
        times.append(spent)
    return times[1] < times[0]
