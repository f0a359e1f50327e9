r"""The ladder: E and G of `compact`, a block transform with residual blocks between its stages.

.. code-block:: text

    E: x -> 4x4 -> mix -> blocks -> 2x2 -> mix -> blocks -> 2x2 -> mix -> blocks -> mix -> y
    G: y_hat -> mix -> blocks -> mix -> 2x2 -> blocks -> mix -> 2x2 -> blocks -> 3x3 -> 4x4 -> x'

4x4 and 2x2 move pixels into channels in E (PixelUnshuffle) and back in G (PixelShuffle); mix is a
1x1 convolution. `start_at_pca` sets the mixes to the principal components of what arrives there,
so the first training step sees a truncated block transform, and G's are the mirror of E's. The
residual blocks are the only way to be better than that transform: nothing runs beside them.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad, pixel_shuffle, pixel_unshuffle

from hfx.config import Architecture
from hfx.networks.layers import norm_of, pick_tier

SLOPE = 0.2  # of leaky ReLU
QUIET = 0.01  # factor on a residual's last convolution at the start
SPARE = 0.02  # deviation of the weights of channels for which no principal component is left
FLOOR = 16 / 255  # least deviation that a channel is divided by


class Block(nn.Module):
    r"""Residual block, :math:`f + e^g \odot (W_2 * \text{lrelu}(W_1 * \text{norm}(f)))`.

    g is a gain per channel and tier in G, and absent in E. Under autocast the two convolutions
    run in bfloat16; the sum stays in float32.

    Shapes: f (N, C, H, W), tier (N,) to (N, C, H, W).
    """

    def __init__(self, channels: int, norm: str = "channel", tiers: int = 0) -> None:
        super().__init__()

        self.norm = norm_of(norm, channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.act = nn.LeakyReLU(SLOPE, inplace=True)
        self.last = quiet(nn.Conv2d(channels, channels, 3, padding=1))
        self.log_gain = nn.Parameter(torch.zeros(tiers, channels)) if tiers else None

    def forward(self, f: Tensor, tier: Tensor | None = None, half: bool = False) -> Tensor:
        """Add the block's correction to the trunk."""
        with torch.autocast(f.device.type, torch.bfloat16, enabled=half):
            change = self.last(self.act(self.first(self.norm(f))))
        if self.log_gain is None or tier is None:
            return f + change
        return torch.addcmul(f, change.to(f.dtype), pick_tier(self.log_gain, tier).exp())


class LadderEncoder(nn.Module):
    r"""Analysis transform :math:`y = E(x)` as a ladder.

    Shapes:
        x: (N, 3, H, W) in [0, 1], H and W multiples of 16.
        y: (N, C_y, H/16, W/16), real-valued.

    Example:
        >>> from hfx.config import TINY
        >>> LadderEncoder(TINY)(torch.rand(1, 3, 64, 48)).shape
        torch.Size([1, 48, 4, 3])
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()

        w = arch.widths
        self.factors = factors_of(arch)
        arriving = (3, *w[:-1])
        self.mixes = nn.ModuleList(
            nn.Conv2d(c * k * k, width, 1)
            for c, k, width in zip(arriving, self.factors, w, strict=True)
        )
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(width, arch.norm) for _ in range(blocks))
            for width, blocks in zip(w, arch.encoder_blocks, strict=True)
        )
        self.head = nn.Conv2d(w[-1], arch.latent, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Analyse pictures; the trunk stays in float32 under autocast."""
        half = torch.is_autocast_enabled(x.device.type)
        with torch.autocast(x.device.type, enabled=False):
            f = x.float() - 0.5
            for k, mix, blocks in zip(self.factors, self.mixes, self.stages, strict=True):
                f = mix(pixel_unshuffle(f, k))
                for block in blocks:  # type: ignore[attr-defined]
                    f = block(f, half=half)
            return self.head(f)  # (N, C_y, H/16, W/16)


class LadderGenerator(nn.Module):
    r"""Synthesis transform :math:`\hat x = G(\hat y)` as a ladder, the mirror of `LadderEncoder`.

    The last shuffle places 4x4 pixels at once, which leaves dots on that grid; a residual at half
    the resolution, which sees the picture so far and the finest features, takes most of them away.

    Shapes:
        y_hat: (N, C_y, h, w).
        tier: (N,) real positions between tiers; 0 is the first.
        x_hat: (N, 3, 16 h, 16 w), nominally in [0, 1], not clamped.

    Example:
        >>> from hfx.config import TINY
        >>> LadderGenerator(TINY)(torch.zeros(1, 48, 4, 3), torch.zeros(1)).shape
        torch.Size([1, 3, 64, 48])
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()

        w, tiers = arch.widths, len(arch.tiers)
        self.factors = factors_of(arch)
        self.head = nn.Conv2d(arch.latent, w[-1], 1)
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(width, arch.norm, tiers) for _ in range(blocks))
            for width, blocks in zip(w, arch.generator_blocks, strict=True)
        )
        leaving = zip(w[:-1], self.factors[1:], w[1:], strict=True)
        self.mixes = nn.ModuleList(nn.Conv2d(width, c * k * k, 1) for c, k, width in leaving)
        k = self.factors[0]
        self.tail = nn.Conv2d(w[0], 3 * k * k, 3, padding=1)
        self.detail = Detail(w[0], k)

    def forward(self, y_hat: Tensor, tier: Tensor) -> Tensor:
        """Synthesise pictures; the trunk stays in float32 under autocast."""
        half = torch.is_autocast_enabled(y_hat.device.type)
        with torch.autocast(y_hat.device.type, enabled=False):
            f = self.head(y_hat.float())
            for stage in reversed(range(len(self.stages))):
                for block in self.stages[stage]:  # type: ignore[attr-defined]
                    f = block(f, tier, half)
                if stage:
                    f = pixel_shuffle(self.mixes[stage - 1](f), self.factors[stage])
            x_hat = pixel_shuffle(self.tail(f), self.factors[0])  # (N, 3, 16 h, 16 w)
            return self.detail(f, x_hat, half) + 0.5


class Detail(nn.Module):
    """A residual at half the picture's resolution: finest features and the picture so far.

    Shapes: f (N, C, H/k, W/k) and x_hat (N, 3, H, W) to (N, 3, H, W).
    """

    width = 20  # of the features beside the picture's 12 channels

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()

        self.up = factor // 2
        self.mix = nn.Conv2d(channels, self.width * self.up**2, 1)
        self.first = nn.Conv2d(self.width + 12, 32, 3, padding=1)
        self.act = nn.LeakyReLU(SLOPE, inplace=True)
        self.last = quiet(nn.Conv2d(32, 12, 3, padding=1))

    def forward(self, f: Tensor, x_hat: Tensor, half: bool = False) -> Tensor:
        """Add what the finer grid can mend."""
        with torch.autocast(f.device.type, torch.bfloat16, enabled=half):
            seen = [pixel_shuffle(self.mix(f), self.up), pixel_unshuffle(x_hat, 2)]
            change = self.last(self.act(self.first(torch.cat(seen, 1))))
        return x_hat + pixel_shuffle(change.to(x_hat.dtype), 2)


def quiet(conv: nn.Conv2d) -> nn.Conv2d:
    """Return a residual's last convolution with small weights and no bias, so it says little."""
    with torch.no_grad():
        conv.weight.mul_(QUIET)
        assert conv.bias is not None
        conv.bias.zero_()
    return conv


def factors_of(arch: Architecture) -> tuple[int, ...]:
    """Return by how much each stage of E lowers the resolution, finest stage first."""
    return (arch.unshuffle, *(2 for _ in arch.widths[1:]))


def scales_of(arch: Architecture) -> list[int]:
    """Return the pixels that one place of each stage covers, finest stage first."""
    return [math.prod(factors_of(arch)[: stage + 1]) for stage in range(len(arch.widths))]


def reach_of_encoder(arch: Architecture) -> int:
    """Return the picture pixels to each side that one latent depends on, beyond its own 16x16."""
    return sum(2 * b * s for b, s in zip(arch.encoder_blocks, scales_of(arch), strict=True))


def reach_of_generator(arch: Architecture) -> int:
    """Return the latents to each side that the pixels of one latent depend on."""
    reach = 2 * 2  # the detail's two convolutions, at half resolution
    for stage, (blocks, scale) in enumerate(
        zip(arch.generator_blocks, scales_of(arch), strict=True)
    ):
        tail = 1 if stage == 0 else 0
        reach = scale * (-(-reach // scale) + tail + 2 * blocks)
    return -(-reach // 16)


# --- where training starts


@torch.no_grad()
def start_at_pca(
    encoder: LadderEncoder, generator: LadderGenerator, patches: np.ndarray
) -> tuple[Tensor, Tensor]:
    """Set both trunks to a truncated principal component transform of 16x16 patches.

    Stage by stage: what arrives at a mix is brought back to grey levels, its leading components
    are kept, each divided by its deviation. Channels for which no component is left start as
    small noise. The convolutions of the blocks are left as they are.

    Shapes: patches (n, 3, 16, 16) uint8.

    Returns the deviations of y's components and what y is divided by, (C_y,) each, in grey levels
    / 255; deterministic but for the spare channels, which follow torch's seed.
    """
    f = torch.from_numpy(patches).double() / 255 - 0.5  # in grey levels throughout
    held = torch.ones(3, dtype=torch.float64)  # what each channel so far is divided by
    std = held
    for stage, (k, mix) in enumerate(zip(encoder.factors, encoder.mixes, strict=True)):
        assert isinstance(mix, nn.Conv2d)
        f = pixel_unshuffle(f, k)  # (n, C, h, w)
        before = held.repeat_interleave(k * k)
        rows = f.permute(0, 2, 3, 1).flatten(0, 2)
        values, vectors = torch.linalg.eigh(rows.T @ rows / len(rows))
        basis = vectors.flip(1)[:, : mix.out_channels].T  # (components, C), the largest first
        std = values.flip(0)[: len(basis)].clamp_min(0).sqrt()
        held = std.clamp_min(FLOOR if stage == 0 else 1 / 255)
        fill(mix, basis / held[:, None] * before)
        mirror = (basis * held[:, None] / before).T
        if stage:
            fill(generator.mixes[stage - 1], mirror)
        else:
            fill(generator.tail, mirror)
        f = torch.einsum("kc,nchw->nkhw", basis, f)
    std = std[: encoder.head.out_channels]
    unit = std.clamp_min(FLOOR)  # weak components keep a floor: the blocks can use them better
    scale = held[: len(std)] / unit
    fill(encoder.head, torch.diag(scale))
    fill(generator.head, torch.diag(1 / scale))
    spare = encoder.head.out_channels - len(std)  # latents for which no component is left
    return pad(std, (0, spare), value=1 / 255).float(), pad(unit, (0, spare), value=FLOOR).float()


def fill(conv: nn.Module, matrix: Tensor) -> None:
    """Make a convolution this matrix at its centre; outputs beyond it start as small noise."""
    assert isinstance(conv, nn.Conv2d) and conv.bias is not None
    middle = conv.kernel_size[0] // 2
    rows, columns = matrix.shape
    conv.weight.normal_(0, SPARE)
    conv.weight[:rows] = 0
    conv.weight[:rows, :columns, middle, middle] = matrix.to(conv.weight)
    conv.bias.zero_()
