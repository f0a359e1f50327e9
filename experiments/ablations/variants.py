"""The runs: a baseline, and what differs from it in one respect."""

from dataclasses import dataclass, field, replace
from typing import Any

from hfx.config import Losses, Training

GROUPS = ("normalisation", "depth", "strategy", "perceptual", "rate", "discriminator")
ALPHA, LR_D = 1.0, 4e-3  # of stage 2: with HiFiC's 0.15, D has no say in a few hundred steps
ZETA = 1.5  # about what zeta' of the baseline averages over its steps: a fair guess


@dataclass(frozen=True)
class Variant:
    """One way to train.

    Attributes:
        name: Of the variant; with the seed it names the run.
        groups: The comparisons that it is part of.
        settings: What differs from the baseline's `Training`.
        losses: What differs from its `Losses`.
        start: The variant whose run of the same seed this one goes on from, in stage 2; "blank"
            is the baseline before its first step.
    """

    name: str
    groups: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    losses: dict[str, Any] = field(default_factory=dict)
    start: str | None = None

    def training(self, base: Training, gan_steps: int, seed: int) -> Training:
        """Return the settings of a run; steps before and with D together are the same for all."""
        how = replace(base, seed=seed, losses=replace(base.losses, **self.losses), **self.settings)
        if self.start is None:
            return how
        alpha = {"alpha": ALPHA} | self.losses
        how = replace(how, stage=2, lr_d=LR_D, losses=replace(how.losses, **alpha))
        if self.start == "blank":
            return replace(how, steps=base.steps + gan_steps)
        decay = round(gan_steps / base.steps * base.decay)
        return replace(how, steps=gan_steps, lr=base.lr / 4, decay=decay)  # G slower: MS-ILLM


def base(preset: str, steps: int, crop: int, batch: int) -> Training:
    """Return the baseline: one tier as in the paper, in float32 to leave rounding out of it."""
    return Training(
        preset=preset, tier="medium", steps=steps, crop=crop, batch=batch, lr=1e-3, lr_d=1e-3,
        warmup=max(1, steps // 25), decay=steps * 2 // 5, bf16=False, perceptual="alex",
        losses=Losses(),
    )  # fmt: skip


def changed(**fields: object) -> dict[str, Any]:
    """Return settings that change the architecture."""
    return {"changes": fields}


FIXED = {"zeta_a": (ZETA,), "zeta_b": (ZETA,), "rate_targets": (0.30,)}
NO_LPIPS = {"k_P": 0.0}

VARIANTS = (
    Variant("baseline", ("normalisation", "depth", "strategy", "perceptual", "rate")),
    Variant("InstanceNorm", ("normalisation",), changed(norm="instance")),
    Variant("BatchNorm", ("normalisation",), changed(norm="batch")),
    Variant("no norm", ("normalisation",), changed(norm="none")),
    Variant("0 blocks", ("depth",), changed(generator_blocks=(0, 0, 0))),
    Variant("3 blocks", ("depth",), changed(generator_blocks=(0, 0, 3))),
    Variant("no LPIPS", ("perceptual", "rate"), losses=NO_LPIPS),
    Variant("LPIPS squeeze", ("perceptual",), {"perceptual": "squeeze"}),
    Variant("LPIPS in turns", ("perceptual",), {"perceptual": "turns"}),
    Variant("fixed zeta", ("rate",), losses=FIXED),
    Variant("fixed zeta, no LPIPS", ("rate",), losses=FIXED | NO_LPIPS),
    Variant("from scratch", ("strategy", "normalisation"), {"warm": False}),
    Variant(
        "from scratch, InstanceNorm",
        ("normalisation",),
        {"warm": False} | changed(norm="instance"),
    ),
    Variant(
        "from scratch, BatchNorm", ("normalisation",), {"warm": False} | changed(norm="batch")
    ),
    Variant("GAN", ("discriminator", "strategy"), start="baseline"),
    Variant(
        "no GAN, as long", ("discriminator", "strategy"), losses={"alpha": 0.0}, start="baseline"
    ),
    Variant("GAN, joint", ("strategy",), {"joint": True}, start="baseline"),
    Variant("GAN, D sees no y", ("discriminator",), changed(conditional=False), start="baseline"),
    Variant("GAN, no SpectralNorm", ("discriminator",), changed(spectral=False), start="baseline"),
    Variant("GAN, two scales", ("discriminator",), changed(scales=2), start="baseline"),
    Variant("GAN from step 0", ("strategy",), {"joint": True}, start="blank"),
    Variant(
        "no GAN, as long from step 0",
        ("strategy",),
        {"joint": True},
        {"alpha": 0.0},
        start="blank",
    ),
)
