"""D: is this patch a photograph, given the latents? In training only."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from hfx.config import Architecture


class Discriminator(nn.Module):
    r"""Single-scale conditional patch discriminator :math:`D(x, \hat y)` of Figure 1.

    The latents are projected, upscaled 16 times by nearest neighbour and concatenated with the
    picture; every convolution carries SpectralNorm; leaky ReLU 0.2. What the paper changed can be
    changed back: `Architecture.conditional`, `spectral` and `scales` (pix2pixHD has several).

    Shapes:
        x: (N, 3, H, W) in [0, 1].
        y_hat: (N, C_y, H/16, W/16).
        logits: (N, scales, h, w), one a patch. Those of the smaller picture are repeated, so that
            a mean over all gives both scales the same weight.
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()

        self.condition: nn.Sequential | None = None
        if arch.conditional:
            self.condition = nn.Sequential(
                _conv(arch, arch.latent, arch.condition, 3, padding=1), nn.LeakyReLU(0.2)
            )
        self.stack = _stack(arch)
        self.coarse = _stack(arch) if arch.scales == 2 else None

    def forward(self, x: Tensor, y_hat: Tensor) -> Tensor:
        """Score patches; positive means 'photograph'."""
        shown = x * 2 - 1
        if self.condition is not None:
            s = F.interpolate(self.condition(y_hat), scale_factor=16, mode="nearest")
            shown = torch.cat([shown, s], dim=1)
        logits = self.stack(shown)
        if self.coarse is None:
            return logits
        coarse = self.coarse(F.avg_pool2d(shown, 2))
        return torch.cat([logits, F.interpolate(coarse, logits.shape[2:], mode="nearest")], dim=1)


def _conv(arch: Architecture, c_in: int, c_out: int, kernel: int, **how: int) -> nn.Module:
    conv = nn.Conv2d(c_in, c_out, kernel, **how)  # type: ignore[arg-type]
    return spectral_norm(conv) if arch.spectral else conv


def _stack(arch: Architecture) -> nn.Sequential:
    layers: list[nn.Module] = []
    c_in = 3 + (arch.condition if arch.conditional else 0)
    for i, width in enumerate(arch.discriminator):
        # HiFiC halves the resolution in all but the last of these (total stride 8)
        stride = 2 if i < len(arch.discriminator) - 1 else 1
        layers += [_conv(arch, c_in, width, 4, stride=stride, padding=1), nn.LeakyReLU(0.2)]
        c_in = width
    layers.append(_conv(arch, c_in, 1, 1))
    return nn.Sequential(*layers)
