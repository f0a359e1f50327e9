"""The constrained rate: zeta' of the paper, as an object of its own."""

import math
from dataclasses import dataclass, field

from hfx.config import Losses


@dataclass
class RateController:
    r"""Choose the rate weight that keeps each tier at its target.

    .. math:: \zeta' = \zeta^{(a)} \text{ if } r(y) > r_t \text{ else } \zeta^{(b)},
        \quad \zeta^{(a)} \gg \zeta^{(b)}

    The paper, "Constrained Rate" (it says "Equation 3", it means Eq. 6). r(y) is a running mean
    per tier with momentum `memory`; with 0 it is the last batch, the paper's own rule. Where both
    weights are one, the rate is not constrained: the fixed zeta of Eq. 5.

    Attributes:
        zeta_a: Weights above the target, one a tier.
        zeta_b: Weights below it.
        targets: r_t, bits per pixel.
        memory: Momentum of the running rate, in [0, 1).
        rates: The running rates, bits per pixel; None before the first observation.
    """

    zeta_a: tuple[float, ...]
    zeta_b: tuple[float, ...]
    targets: tuple[float, ...]
    memory: float = 0.0
    rates: list[float | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Check that there is one weight pair a tier, and that a is not below b."""
        if not len(self.zeta_a) == len(self.zeta_b) == len(self.targets):
            raise ValueError("zeta_a, zeta_b and targets need one entry per tier")
        if any(a < b for a, b in zip(self.zeta_a, self.zeta_b, strict=True)):
            raise ValueError("zeta_a must not be less than zeta_b")
        self.rates = self.rates or [None] * len(self.targets)

    @classmethod
    def from_losses(cls, losses: Losses) -> "RateController":
        """Take weights and targets from the loss settings."""
        return cls(losses.zeta_a, losses.zeta_b, losses.rate_targets, losses.rate_memory)

    def observe(self, tier: int, bpp: float) -> None:
        """Take in the rate of one batch of a tier, in bits per pixel; NaN and inf are ignored."""
        if not math.isfinite(bpp):
            return  # a running mean never forgets a NaN, and NaN > r_t is never true
        before = self.rates[tier]
        self.rates[tier] = (
            bpp if before is None else self.memory * before + (1 - self.memory) * bpp
        )

    def zeta(self, tier: int) -> float:
        """Return zeta' of a tier; zeta_b while nothing has been observed."""
        rate = self.rates[tier]
        above = rate is not None and rate > self.targets[tier]
        return self.zeta_a[tier] if above else self.zeta_b[tier]
