"""What a run of the laboratory may be told."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from hfx.backbones import find_backbone
from hfx.config import NORMS, TINY, Losses, Training
from hfx.errors import HfxError, WeightsError
from hfx.perceptual import linear_heads

TIER = "low"  # begins coarsest, so that most is left to see
WIDTHS = (8, 16, 24, 32, 48)
CROPS = (64, 128, 192, 256)
FIRST = 200  # steps of a stage 1 that is done only for the sake of a stage 2


@dataclass(frozen=True)
class Settings:
    """A run on the `tiny` preset, for one rate, as the paper trains; `Training` says more of each.

    Attributes:
        stage: 1: E, G and the hyperprior (Eq. 5); 2: G against D (Eq. 6).
        r_t: Target of the rate, bits per pixel.
        zeta_a, zeta_b: Rate weights above and not above it.
        k_M, k_P: Weights of the MSE and of LPIPS.
        alpha: Weight of -log D(x', y) in stage 2.
        norm: Normalisation layers of E and G.
        width: Channels of E's and G's finest stage; the coarser ones grow in proportion, and y
            has no more channels than the coarsest.
        lr: Learning rate, D's too.
        crop: Side of a crop.
        batch: Crops a step.
        steps: Length of the run.
        seed: Of crops, noise and first weights.
    """

    stage: int = 1
    r_t: float = 0.5
    zeta_a: float = 1.0
    zeta_b: float = 0.1
    k_M: float = 0.0023
    k_P: float = 1.0
    alpha: float = 0.15
    norm: str = "channel"
    width: int = TINY.widths[0]
    lr: float = 0.004
    crop: int = 64
    batch: int = 4
    steps: int = 400
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained, or would take a shared machine for hours."""
        rules = {
            "stage": self.stage in (1, 2),
            "r_t": 0 < self.r_t <= 24,
            "zeta_a": 0 <= self.zeta_b <= self.zeta_a <= 1000,
            "k_M": 0 <= self.k_M <= 1,
            "k_P": 0 <= self.k_P <= 100,
            "alpha": 0 <= self.alpha <= 1000,
            "norm": self.norm in NORMS,
            "width": self.width in WIDTHS,
            "lr": 0 < self.lr <= 10,
            "crop": self.crop in CROPS,
            "batch": 1 <= self.batch <= 16,
            "steps": 1 <= self.steps <= 5000,
            "seed": 0 <= self.seed < 2**31,
        }
        wrong = [name for name, fine in rules.items() if not fine]
        if wrong:
            told = ", ".join(f"{name} = {getattr(self, name)}" for name in wrong)
            also = "; ζ(a) must not be below ζ(b)" if "zeta_a" in wrong else ""
            raise HfxError(f"no such run: {told}{also}")
        if self.k_M == self.k_P == 0 and (self.stage == 1 or self.alpha == 0):
            raise HfxError("nothing asks for a picture: give k_M or k_P a weight")

    @property
    def training(self) -> Training:
        """The same in the words of `hfx train`."""
        widths = tuple(self.width * w // TINY.widths[0] for w in TINY.widths)
        return Training(
            preset="tiny",
            stage=self.stage,
            tier=TIER,
            steps=self.steps,
            batch=self.batch,
            crop=self.crop,
            lr=self.lr,
            lr_d=self.lr,
            warmup=min(20, self.steps // 10),
            decay=self.steps // 4,
            seed=self.seed,
            bf16=False,
            losses=Losses(
                k_M=self.k_M,
                k_P=self.k_P,
                alpha=self.alpha,
                zeta_a=(self.zeta_a,),
                zeta_b=(self.zeta_b,),
                rate_targets=(self.r_t,),
            ),
            changes={
                "norm": self.norm,
                "widths": widths,
                "latent": min(TINY.latent, widths[-1]),
            },
        )

    @property
    def first(self) -> "Settings":
        """The short stage 1 that a stage 2 may begin with."""
        return replace(self, stage=1, steps=FIRST)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Settings":
        """Rebuild from `to_dict`; raises HfxError where that is not what it is."""
        try:
            return cls(**values)
        except TypeError as error:
            raise HfxError(f"these are no settings of a run: {error}") from error


NAMES = {
    "stage": "stage", "r_t": "r_t", "zeta_a": "ζ(a)", "zeta_b": "ζ(b)", "k_M": "k_M", "k_P": "k_P",
    "alpha": "α", "norm": "norm", "width": "width", "lr": "learning rate", "crop": "crop",
    "batch": "batch", "steps": "steps", "seed": "seed",
}  # fmt: skip


def differing(all_of_them: Sequence[Settings]) -> list[str]:
    """Return the names of the fields in which some settings are not alike, in order."""
    names = [field.name for field in fields(Settings)]
    return [name for name in names if len({getattr(one, name) for one in all_of_them}) > 1]


def shown(value: object) -> str:
    """Write a setting."""
    return f"{value:g}" if isinstance(value, float) else str(value)


# --- without LPIPS


def without_lpips() -> str | None:
    """Say in a line why k_P must be 0 on this machine, None where it need not; loads nothing."""
    try:
        linear_heads()
    except WeightsError as error:
        return str(error)
    if find_backbone("alexnet") is None:
        return "k_P is 0: LPIPS needs AlexNet's features, and this machine has none"
    return None


def playable(settings: Settings) -> Settings:
    """Return the settings as far as this machine can follow them."""
    return replace(settings, k_P=0.0) if settings.k_P and without_lpips() else settings
