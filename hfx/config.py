"""Frozen settings and the three presets: every surprising number says where it comes from."""

from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Any

from hfx.errors import HfxError

TIERS = ("low", "medium", "high")

NORMS = ("channel", "instance", "batch", "none")

RATE_TARGETS = {"low": 0.14, "medium": 0.30, "high": 0.45}
"""r_t in bits per pixel, as HiFiC (arXiv:2006.09965, section 4) sets it."""


def _frozen(value: object) -> object:
    """Undo what JSON does to a tuple."""
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True)
class Architecture:
    """Widths and depths of E, G, D and the hyperprior (Figure 1 of the paper).

    Attributes:
        name: Name of the preset.
        unshuffle: PixelUnshuffle before E and PixelShuffle after G: 1 is Figure 1; 4 spends
            no arithmetic at full resolution, which is what makes two cores enough.
        edge_kernel: Kernel of the first convolution of E and the last of G.
        widths: Channels per stage; each further stage halves the resolution, the last is at 1/16.
        encoder_blocks: Residual blocks per stage of E.
        generator_blocks: Residual blocks per stage of G, in the same order as `widths`.
        latent: C_y, channels of y.
        hyper: Channels of z and of the hyperprior's hidden layers.
        linear_path: Add a linear 16x16 transform beside E and its transpose beside G,
            started at the PCA of image patches (our warm start, not in the paper).
        deblock: Show G's finest stage the picture of its linear path, whose block edges it can
            then mend; needs `linear_path`.
        discriminator: Widths of D's strided convolutions.
        condition: Channels that y is projected to before D sees it (HiFiC: 12).
        tiers: Named rates that one set of weights serves through gain vectors.
        ladder: Build E and G as `hfx.networks.ladder` does; False: Figure 1's convolutions.
        norm: What follows E's and G's convolutions, one of `NORMS`. ChannelNorm is the paper's;
            the others are there to be compared with it, and only "channel" and "none" export.
        conditional: Show D the latents too, as the paper does.
        spectral: Hold D's convolutions by SpectralNorm, as the paper does.
        scales: 1 is the paper's D; 2 adds another that sees pictures of half the size.
    """

    name: str
    unshuffle: int
    edge_kernel: int
    widths: tuple[int, ...]
    encoder_blocks: tuple[int, ...]
    generator_blocks: tuple[int, ...]
    latent: int
    hyper: int
    linear_path: bool
    discriminator: tuple[int, ...] = (64, 128, 256, 512)
    condition: int = 12
    tiers: tuple[str, ...] = TIERS
    deblock: bool = False
    ladder: bool = False
    norm: str = "channel"
    conditional: bool = True
    spectral: bool = True
    scales: int = 1

    def __post_init__(self) -> None:
        """Refuse what is no network, or does not end at one sixteenth of the picture."""
        if self.unshuffle * 2 ** (len(self.widths) - 1) != 16:
            raise ValueError(f"{self.name}: unshuffle x 2^(stages - 1) must be 16")
        if not len(self.widths) == len(self.encoder_blocks) == len(self.generator_blocks):
            raise ValueError(f"{self.name}: widths and blocks need one entry per stage")
        if self.deblock and not self.linear_path:
            raise ValueError(f"{self.name}: deblock needs linear_path")
        if self.ladder and self.linear_path:
            raise ValueError(f"{self.name}: a ladder has its linear transform inside")
        if self.norm not in NORMS:
            raise ValueError(f"{self.name}: norm must be one of {', '.join(NORMS)}")
        if self.scales not in (1, 2):
            raise ValueError(f"{self.name}: scales must be 1 or 2")
        if self.edge_kernel % 2 == 0:
            raise ValueError(f"{self.name}: edge_kernel must be odd")
        sizes = (*self.widths, *self.discriminator, self.latent, self.hyper, self.condition)
        if min(sizes) < 1 or min(*self.encoder_blocks, *self.generator_blocks) < 0:
            raise ValueError(f"{self.name}: widths must be positive, blocks not negative")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Architecture":
        """Rebuild from `to_dict`; raises TypeError on an unknown or a missing field.

        A field younger than the file is left at its default, which is how things were before.
        """
        known = {f.name for f in fields(cls)}
        needed = {f.name for f in fields(cls) if f.default is MISSING}
        if not needed <= set(values) <= known:
            wrong = sorted(set(values) - known | needed - set(values))
            raise TypeError(f"architecture fields differ: {wrong}")
        frozen: dict[str, Any] = {k: _frozen(v) for k, v in values.items()}
        return cls(**frozen)


@dataclass(frozen=True)
class Losses:
    """Weights of Eq. 5, Eq. 6 and of the rate constraint.

    Attributes:
        k_M: Weight of the MSE on the 0 to 255 scale; HiFiC's 0.075 x 2^-5.
        k_P: Weight of LPIPS (AlexNet). HiFiC and MS-ILLM use 1; at our step counts 2 is better.
        k_S: Weight of `losses.unevenness`, against block edges in skies; not in the paper.
        k_G: Weight of `losses.grid_error`, against dots and blocks; not in the paper.
        alpha: Weight of -log D(x', y), HiFiC's beta (0.15). Zero in stage 1.
        zeta_a: Rate weight above the target r_t, per tier.
        zeta_b: Rate weight below it, per tier; zeta_a >> zeta_b.
        rate_targets: r_t in bits per pixel, per tier.
        rate_memory: Momentum of the running rate that is compared with r_t; 0 is the paper's
            rule (this batch alone), which lets busy crops pay for flat ones.
    """

    k_M: float = 0.075 * 2**-5
    k_P: float = 2.0
    k_S: float = 0.0
    k_G: float = 0.0
    alpha: float = 0.15
    zeta_a: tuple[float, ...] = (8.0, 4.0, 2.0)
    zeta_b: tuple[float, ...] = (1.0, 0.5, 0.25)
    rate_targets: tuple[float, ...] = tuple(RATE_TARGETS.values())
    rate_memory: float = 0.9

    def for_tiers(self, tiers: tuple[str, ...]) -> "Losses":
        """Return these weights with one entry per tier of a model.

        Settings that hold one entry for each of `TIERS` serve a model of fewer tiers by name.

        Raises:
            HfxError: the number of entries fits neither the model nor `TIERS`.
        """
        chosen: dict[str, Any] = {}
        for name in ("zeta_a", "zeta_b", "rate_targets"):
            values = getattr(self, name)
            if len(values) == len(tiers):
                chosen[name] = values
            elif len(values) == len(TIERS) and set(tiers) <= set(TIERS):
                chosen[name] = tuple(values[TIERS.index(tier)] for tier in tiers)
            else:
                raise HfxError(f"{name} has {len(values)} values for {len(tiers)} tiers")
        return replace(self, **chosen)


TINY = Architecture(
    name="tiny",
    unshuffle=4,
    edge_kernel=3,
    widths=(24, 32, 48),
    encoder_blocks=(0, 0, 1),
    generator_blocks=(0, 0, 1),
    latent=48,
    hyper=32,
    linear_path=False,
    ladder=True,
    discriminator=(16, 32, 48),
)
"""For tests and notebooks: a step takes milliseconds."""

COMPACT = Architecture(
    name="compact",
    unshuffle=4,
    edge_kernel=3,
    widths=(96, 160, 256),
    encoder_blocks=(1, 1, 1),
    generator_blocks=(1, 1, 2),
    latent=192,
    hyper=96,
    linear_path=False,
    ladder=True,
    discriminator=(64, 96, 160, 256),  # of Figure 1's widths, D would cost three times what G does
)
"""The shipped weights: 7.3 M parameters, 4.1 GMAC for a 256x256 crop, h_a and h_s included."""

PAPER = Architecture(
    name="paper",
    unshuffle=1,
    edge_kernel=7,
    widths=(60, 120, 240, 480, 960),
    encoder_blocks=(0, 0, 0, 0, 0),
    generator_blocks=(0, 0, 0, 0, 9),
    latent=220,
    hyper=320,
    linear_path=False,
    tiers=("medium",),
)
"""Figure 1 with HiFiC's widths: 181 M parameters in E, G and the hyperprior, one model a tier."""

PRESETS = {preset.name: preset for preset in (TINY, COMPACT, PAPER)}


@dataclass(frozen=True)
class Training:
    """How a run goes: what is needed to repeat it, stored with every checkpoint.

    Attributes:
        preset: Name of the architecture.
        stage: 1 trains E, G and the hyperprior (Eq. 5); 2 trains G and D (Eq. 6) on frozen files.
        joint: In stage 2, train E and the hyperprior too, as the paper's text has it.
        tier: Train for this one rate only, as the paper does; None: every tier of the preset.
        steps: Length of the run; the last `decay` of them bring the learning rate to zero.
        batch: Crops per step over all processes.
        crop: Side of a crop; at least 256 where the hyperprior trains, or it sees only padding.
        lr: Learning rate of Adam and of Muon.
        lr_d: Adam's learning rate of D. MS-ILLM pairs 4e-4 with 1e-4 for G, so stage 2 wants
            `--lr 1e-4`.
        warmup: Steps of linear growth of the learning rate.
        decay: Steps of linear fall to zero at the end.
        clip: Largest norm of the gradient.
        ema: Memory of the averaged weights, which are the ones exported.
        seed: Of crops, noise and first weights.
        bf16: Compute E, G, D and LPIPS in bfloat16 (autocast).
        perceptual: Whose features LPIPS compares: "alex", "squeeze", or "turns": AlexNet's in even
            steps and SqueezeNet's in odd ones, at the price of one.
        warm: Begin the ladder's mixes at the PCA of patches; else they are random like the rest.
        changes: Fields of the architecture that differ from the preset's.
        losses: Weights of the loss.
    """

    preset: str = "compact"
    stage: int = 1
    joint: bool = False
    tier: str | None = None
    steps: int = 10_000
    batch: int = 6
    crop: int = 256
    lr: float = 4e-4
    lr_d: float = 4e-4
    warmup: int = 100
    decay: int = 2_000
    clip: float = 1.0
    ema: float = 0.998
    seed: int = 0
    bf16: bool = True
    perceptual: str = "turns"
    losses: Losses = Losses()
    warm: bool = True
    changes: dict[str, Any] = field(default_factory=dict, hash=False)

    def architecture(self) -> Architecture:
        """Return the preset, with what is changed and the one tier asked for.

        Raises:
            HfxError: a change names no field, or makes no network.
        """
        tiers: dict[str, Any] = {} if self.tier is None else {"tiers": (self.tier,)}
        try:
            return replace(PRESETS[self.preset], **self.changes, **tiers)
        except (TypeError, ValueError) as error:
            raise HfxError(f"no such architecture: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Training":
        """Rebuild from `to_dict`."""
        losses: dict[str, Any] = {k: _frozen(v) for k, v in values["losses"].items()}
        changes = {k: _frozen(v) for k, v in values.get("changes", {}).items()}
        return cls(**{**values, "losses": Losses(**losses), "changes": changes})

    def lr_at(self, step: int) -> float:
        """Return the factor on the learning rate at a step: up, level, down."""
        rise = min(1.0, (step + 1) / max(1, self.warmup))
        return rise * min(1.0, max(0, self.steps - step) / max(1, self.decay))
