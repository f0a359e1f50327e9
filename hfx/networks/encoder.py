"""E: an image becomes a grid of latents sixteen times smaller."""

import torch
from torch import Tensor, nn

from hfx.config import Architecture
from hfx.networks.layers import ResidualBlock, down, norm_of


class Encoder(nn.Module):
    r"""Analysis transform :math:`y = E(x)` of Figure 1.

    With `linear_path` a linear 16x16 transform runs beside the convolutions and is added to
    their output, so that training starts from a block transform rather than from noise.

    Shapes:
        x: (N, 3, H, W) in [0, 1], H and W multiples of 16.
        y: (N, C_y, H/16, W/16), real-valued.

    Example:
        >>> from hfx.config import TINY
        >>> Encoder(TINY)(torch.rand(1, 3, 64, 48)).shape
        torch.Size([1, 48, 4, 3])
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()

        w, u, k = arch.widths, arch.unshuffle, arch.edge_kernel
        layers: list[nn.Module] = [
            nn.PixelUnshuffle(u),
            nn.Conv2d(3 * u * u, w[0], k, padding=k // 2),
            norm_of(arch.norm, w[0]),
            nn.ReLU(inplace=True),
        ]
        for stage, blocks in enumerate(arch.encoder_blocks):
            if stage:
                layers.append(down(w[stage - 1], w[stage], arch.norm))
            layers += [ResidualBlock(w[stage], arch.norm) for _ in range(blocks)]
        self.stack = nn.Sequential(*layers)
        self.head = nn.Conv2d(w[-1], arch.latent, 3, padding=1)
        self.linear = nn.Conv2d(3, arch.latent, 16, stride=16) if arch.linear_path else None

    def forward(self, x: Tensor) -> Tensor:
        """Analyse pictures; the head and the linear path stay in float32 under autocast."""
        x = x - 0.5
        features = self.stack(x)
        with torch.autocast(x.device.type, enabled=False):
            y = self.head(features.float())  # (N, C_y, H/16, W/16)
            return y if self.linear is None else y + self.linear(x.float())


def halo_of_encoder(arch: Architecture) -> int:
    """Return the picture pixels to each side that one latent depends on, beyond its own 16x16."""
    reach, scale = arch.edge_kernel // 2 * arch.unshuffle, arch.unshuffle
    for stage, blocks in enumerate(arch.encoder_blocks):
        if stage:
            reach, scale = reach + scale, scale * 2
        reach += 2 * blocks * scale
    return reach + scale  # the head's 3x3
