r"""Symbols refined for one picture at encode time: the encoder works longer, decoders as ever.

E is trained for pictures on average. A few gradient steps move the latents of one picture to where
the weights serve it better, with E, G, h_a and h_s left alone, so any decoder reads the file:

.. math:: v \leftarrow v - a_i \, g / \sqrt{q}, \quad
    g = \nabla \left[ \zeta r(v) + k_M \text{MSE} + k_P \text{LPIPS} + k_S U \right]

with v = y - mu in symbols, q the running mean of g^2, U `losses.unevenness` and k the weights of
training. z stays, so mu and the tables are the coder's own integers; r is counted between whole
symbols in a straight line, d on rounded symbols with the gradient passed straight through.

LPIPS can be deceived: descended as it stands, it falls far more than any other measure. So every
step looks at both pictures shifted, mirrored and scaled at random (E-LPIPS, Kettunen et al. 2019,
arXiv:1906.03973), and there are few of them. What it brings: `data/results/LOG.md`. Of two
generators it asks the one nearer to the dial's default; whoever decodes may still turn the dial.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count, islice, product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from hfx.config import Losses
from hfx.entropy.fixedpoint import ACT_BITS, LEVELS
from hfx.entropy.likelihood import gaussian_bits
from hfx.entropy.scales import sigma_of_index
from hfx.errors import HfxError, WeightsError
from hfx.image import to_tensor
from hfx.losses import distortion, mse255, unevenness
from hfx.networks import halo_of_generator
from hfx.networks.layers import pick_tier
from hfx.perceptual import LPIPS
from hfx.prior import GAIN_BITS
from hfx.tiles import Span, spans
from hfx.weights import Weights

Distance = Callable[[Tensor, Tensor], Tensor]
Side = tuple[int, NDArray[np.int32], NDArray[np.uint8]]  # level, mu, index

STEPS = (0, 2, 5, 10)  # of the efforts
RATE = 0.02  # a of the first step, in symbols
SLOWER = 10  # steps after which a step is half as long
MEMORY = 0.999  # of q
# What a bit a pixel may cost, near where zeta' stood as training ended (4.9, 1.9, 1.0).
ZETA = {"low": 4.0, "medium": 2.0, "high": 1.0}
SCALES = (1.0, 0.8, 0.6, 1.25)  # of what LPIPS is shown
LEAST = 96  # pixels; a smaller side leaves LPIPS nothing to see at the smallest scale
TILE = 48  # latents a side: 768 pixels, with all of G's activations


@dataclass(frozen=True, eq=False)
class Refiner:
    """Refine symbols with one set of weights.

    Attributes:
        weights: What wrote the symbols; its usual G's picture is to come nearer to the original.
        distance: LPIPS, or what shall stand for it: (N, 3, H, W) twice to (N,).
        steps: How many of them.
    """

    weights: Weights
    distance: Distance
    steps: int

    @classmethod
    def of(cls, weights: Weights, effort: int) -> "Refiner | None":
        """Return what refines with an effort of 1 to 3; None for effort 0.

        Raises:
            HfxError: there is no such effort.
            WeightsError: LPIPS cannot be had.
        """
        if effort not in range(len(STEPS)):
            raise HfxError(f"effort goes from 0 to {len(STEPS) - 1}, not {effort}")
        steps = STEPS[int(effort)]
        return cls(weights, lpips(), steps) if steps else None

    def refine(
        self, rgb: NDArray[np.uint8], y: Tensor, side: Side, symbols: NDArray[np.int32]
    ) -> NDArray[np.int32]:
        """Return symbols that serve a picture better, tile by tile to bound memory.

        A tile's symbols stay as they are where the objective has not fallen in the end, and so
        does a picture with a side under 96 pixels.

        Shapes: rgb (H, W, 3); y (1, C_y, h, w) from E; side and symbols as in `codec.Latents`.
        """
        symbols = symbols.copy()
        if min(rgb.shape[:2]) < LEAST:
            return symbols
        reach = 2 * halo_of_generator(self.weights.arch)
        for rows, columns in product(*(cores(length, reach) for length in symbols.shape[1:])):
            objective = Objective(self, rgb, y, side, symbols, rows, columns)
            best = objective.symbols[objective.inside]
            *_, found = islice(objective.descend(RATE), self.steps)
            if objective.whole(found) < objective.whole(best):
                best = found
            symbols[:, rows.core, columns.core] = best[0].numpy().astype(np.int32)
        return symbols


@cache
def lpips() -> LPIPS:
    """Load LPIPS once."""
    try:
        return LPIPS().eval()
    except WeightsError as error:
        raise WeightsError(f"an effort above 0 needs LPIPS; leave it at 0, or: {error}") from error


def cores(length: int, reach: int) -> list[Span]:
    """Cut an axis into tiles of about one size: a narrow last one would see too little."""
    tile = -(-length // -(-length // TILE))
    return list(spans(length, tile, reach))


class Objective:
    """What is descended, as a function of one tile's symbols; those around it are what they are.

    Attributes:
        start: (1, C_y, a, b) symbols of the tile before rounding.
    """

    def __init__(
        self, refiner: Refiner, rgb: NDArray[np.uint8], y: Tensor, side: Side,
        symbols: NDArray[np.int32], rows: Span, columns: Span,
    ) -> None:  # fmt: skip
        weights, (level, mu, index) = refiner.weights, side
        halo = halo_of_generator(weights.arch)
        self.generator, self.distance = weights.usual, refiner.distance
        self.tier = torch.tensor([level / LEVELS])
        self.k_M, self.k_P, self.k_S = weights_of(weights)
        self.zeta = zeta_of(weights.arch.tiers, level)

        # A symbol changes pixels up to a halo away; these are right if two halos are seen.
        looked = [
            slice(16 * max(0, axis.core_from - halo), min(16 * (axis.core_to + halo), length))
            for axis, length in ((rows, rgb.shape[0]), (columns, rgb.shape[1]))
        ]
        self.x = to_tensor(rgb[tuple(looked)])
        top, left = 16 * rows.from_, 16 * columns.from_  # what G makes begins here
        self.area = (
            slice(None),
            slice(None),
            slice(looked[0].start - top, looked[0].stop - top),
            slice(looked[1].start - left, looked[1].stop - left),
        )
        self.pixels = self.x.shape[2] * self.x.shape[3]

        seen, core = (slice(None), rows.seen, columns.seen), (slice(None), rows.core, columns.core)
        self.inside = (slice(None), slice(None), rows.inside, columns.inside)
        self.degain = pick_tier(weights.log2_degain, self.tier).exp2()
        self.mu = torch.from_numpy(mu[seen])[None] * 2.0**-ACT_BITS
        self.symbols = torch.from_numpy(symbols[seen])[None].float()
        self.sigma = sigma_of_index(torch.from_numpy(index[core])[None].float())
        gain = torch.from_numpy(weights.prior.gain(level) * 2.0**-GAIN_BITS).float()
        self.start = y[0][core][None] * gain[:, None, None] - self.mu[self.inside]
        self.draw = torch.Generator().manual_seed(0)  # the same views every time

    def bits(self, symbols: Tensor) -> Tensor:
        """Return the bits of every symbol of the tile."""
        return gaussian_bits(symbols, self.sigma)

    def d(self, symbols: Tensor, moved: bool) -> Tensor:
        """Return k_M MSE + k_P LPIPS + k_S U of what G makes of the tile's symbols."""
        around = self.symbols.clone()
        around[self.inside] = symbols
        y_hat = ((around + self.mu) * self.degain).to(memory_format=torch.channels_last)
        x, x_hat = self.x, self.generator(y_hat, self.tier)[self.area]
        pair = self.moved(x, x_hat) if moved else (x, x_hat)
        d = distortion(mse255(x, x_hat), self.distance(*pair), self.k_M, self.k_P)
        return (d + self.k_S * unevenness(x, x_hat)).sum()

    def moved(self, x: Tensor, x_hat: Tensor) -> tuple[Tensor, Tensor]:
        """Shift both pictures by up to 15 pixels, mirror and scale them, at random."""
        top, left, mirror, scale = (
            int(torch.randint(n, (), generator=self.draw)) for n in (16, 16, 2, len(SCALES))
        )
        pair = torch.cat([x, x_hat])[:, :, top:, left:]
        pair = pair.flip(3) if mirror else pair
        if (factor := SCALES[scale]) != 1:
            pair = F.interpolate(pair, scale_factor=factor, mode="bilinear", antialias=factor < 1)
        x, x_hat = pair.split(1)
        return x, x_hat

    @torch.no_grad()
    def whole(self, symbols: Tensor) -> float:
        """Return zeta r + d, LPIPS seen as it stands."""
        r = self.bits(symbols).sum() / self.pixels
        return float(self.zeta * r + self.d(symbols, moved=False))

    def gradient(self, v: Tensor, moved: bool) -> Tensor:
        """Return g at v."""
        symbols = v.round().requires_grad_()
        (g,) = torch.autograd.grad(self.d(symbols, moved), symbols)
        below = v.floor()
        slope = self.bits(below + 1) - self.bits(below)
        return g + self.zeta / self.pixels * slope

    def descend(self, rate: float, moved: bool = True) -> Iterator[Tensor]:
        """Yield the tile's symbols after one step, two steps and so on, without end."""
        v, q = self.start, torch.zeros_like(self.start)
        for i in count():
            g = self.gradient(v, moved)
            q = MEMORY * q + (1 - MEMORY) * g.square()
            size = (q / (1 - MEMORY ** (i + 1))).sqrt() + 1e-12  # as if q had begun at g^2
            v = v - rate / (1 + i / SLOWER) * g / size
            yield v.round()


def weights_of(weights: Weights) -> tuple[float, float, float]:
    """Return k_M, k_P and k_S of the training that made some weights."""
    stated: dict[str, Any] = weights.about.get("settings", {}).get("losses", {})
    k_M, k_P, k_S = (float(stated.get(k, getattr(Losses, k))) for k in ("k_M", "k_P", "k_S"))
    return k_M, k_P, k_S


def zeta_of(tiers: tuple[str, ...], level: int) -> float:
    """Return what a bit a pixel may cost at a quality level, geometrically between tiers."""
    logs = [np.log(ZETA.get(tier, ZETA["medium"])) for tier in tiers]
    return float(np.exp(np.interp(level / LEVELS, range(len(tiers)), logs)))
