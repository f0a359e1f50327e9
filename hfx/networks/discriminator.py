"""D: is this patch a photograph, given the latents? In training only."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from hfx.config import Architecture


class Discriminator(nn.Module):
    r"""Single-scale conditional patch discriminator :math:`D(x, \hat y)` of Figure 1.

    The latents are projected, upscaled 16 times by nearest neighbour and concatenated with the
    picture; every convolution carries SpectralNorm; leaky ReLU 0.2.

    Shapes:
        x: (N, 3, H, W) in [0, 1].
        y_hat: (N, C_y, H/16, W/16).
        logits: (N, 1, h, w), one a patch.
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()

        self.condition = nn.Sequential(
            spectral_norm(nn.Conv2d(arch.latent, arch.condition, 3, padding=1)), nn.LeakyReLU(0.2)
        )
        layers: list[nn.Module] = []
        c_in = 3 + arch.condition
        for i, width in enumerate(arch.discriminator):
            # HiFiC halves the resolution in all but the last of these (total stride 8)
            stride = 2 if i < len(arch.discriminator) - 1 else 1
            layers += [
                spectral_norm(nn.Conv2d(c_in, width, 4, stride=stride, padding=1)),
                nn.LeakyReLU(0.2),
            ]
            c_in = width
        layers.append(spectral_norm(nn.Conv2d(c_in, 1, 1)))
        self.stack = nn.Sequential(*layers)

    def forward(self, x: Tensor, y_hat: Tensor) -> Tensor:
        """Score patches; positive means 'photograph'."""
        s = F.interpolate(self.condition(y_hat), scale_factor=16, mode="nearest")
        return self.stack(torch.cat([x * 2 - 1, s], dim=1))
