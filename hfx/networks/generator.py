"""G: latents become a picture again."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle

from hfx.config import Architecture
from hfx.networks.layers import BlockSynthesis, ResidualBlock, norm_of, pick_tier, up


class Generator(nn.Module):
    r"""Synthesis transform :math:`\hat x = G(\hat y)` of Figure 1.

    A per-tier gain on the first features tells G how coarsely y was quantised. With `linear_path`
    a linear transform runs beside the convolutions and is added to their picture; with `deblock`
    the finest convolutions see that picture too, and so the edges of its 16x16 blocks.

    Shapes:
        y_hat: (N, C_y, h, w).
        tier: (N,) real positions between tiers; 0 is the first.
        x_hat: (N, 3, 16 h, 16 w), nominally in [0, 1], not clamped.

    Example:
        >>> from hfx.config import TINY
        >>> Generator(TINY)(torch.zeros(1, 48, 4, 3), torch.zeros(1)).shape
        torch.Size([1, 3, 64, 48])
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()

        w, u, k = arch.widths, arch.unshuffle, arch.edge_kernel
        self.head = nn.Sequential(
            nn.Conv2d(arch.latent, w[-1], 3, padding=1), norm_of(arch.norm, w[-1])
        )
        self.log_gain = nn.Parameter(torch.zeros(len(arch.tiers), w[-1]))
        layers: list[nn.Module] = []
        for stage in reversed(range(len(w))):
            if stage == 0:
                self.coarse = len(layers)  # layers before the finest resolution
            layers += [
                ResidualBlock(w[stage], arch.norm) for _ in range(arch.generator_blocks[stage])
            ]
            if stage:
                layers.append(up(w[stage], w[stage - 1], arch.norm))
        self.stack = nn.Sequential(*layers)
        self.tail = nn.Conv2d(w[0], 3 * u * u, k, padding=k // 2)
        self.shuffle = nn.PixelShuffle(u)
        self.linear = BlockSynthesis(arch.latent, 3, 16, stride=16) if arch.linear_path else None
        self.look = nn.Conv2d(3 * u * u, w[0], 1, bias=False) if arch.deblock else None
        if self.look is not None:
            nn.init.zeros_(self.look.weight)

    def forward(self, y_hat: Tensor, tier: Tensor) -> Tensor:
        """Synthesise pictures; the linear path stays in float32 under autocast."""
        features = self.head(y_hat) * pick_tier(self.log_gain, tier).exp()
        features = self.stack[: self.coarse](features)
        linear = None
        if self.linear is not None:
            with torch.autocast(y_hat.device.type, enabled=False):
                linear = self.linear(y_hat.float())  # (N, 3, 16 h, 16 w)
        if self.look is not None and linear is not None:
            features = features + self.look(pixel_unshuffle(linear, self.shuffle.upscale_factor))
        features = self.stack[self.coarse :](features)
        x_hat = self.shuffle(self.tail(features)).float()  # (N, 3, 16 h, 16 w)
        return x_hat + 0.5 if linear is None else x_hat + linear + 0.5


def halo_of_generator(arch: Architecture) -> int:
    """Return the latents to each side that the pixels of one latent depend on."""
    reach, scale = 0, arch.unshuffle  # in picture pixels, walking back from x_hat
    reach += arch.edge_kernel // 2 * scale
    for stage, blocks in enumerate(arch.generator_blocks):
        if stage:
            reach, scale = reach + scale, scale * 2
        reach += 2 * blocks * scale
    return -(-(reach + scale) // 16)
