"""h_a and h_s: side information z that tells the coder what to expect of y."""

import torch
from torch import Tensor, nn

from hfx.config import Architecture
from hfx.entropy.scales import index_of_sigma


class HyperAnalysis(nn.Module):
    r""":math:`z = h_a(y)`, four times smaller than y (Balle 2018; HiFiC, Figure 2).

    With h_s it is the probability model P that section 3.1 of the paper asks for.

    Shapes: y (N, C_y, h, w), h and w multiples of 4, to z (N, C_z, h/4, w/4).
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()

        c = arch.hyper
        self.stack = nn.Sequential(
            nn.Conv2d(arch.latent, c, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c, c, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(c, c, 5, stride=2, padding=2),
        )

    def forward(self, y: Tensor) -> Tensor:
        """Summarise latents."""
        return self.stack(y)


class HyperSynthesis(nn.Module):
    r""":math:`(\mu, t) = h_s(\hat z)`: mean and scale-table index of every latent.

    The other half of the probability model P (section 3.1 of the paper).

    Two stacks of transposed convolutions and ReLU only, so that `hfx.entropy.fixedpoint` can run
    them exactly in integers. t is real here; `sigma_of_index` turns it into sigma.

    Shapes: z_hat (N, C_z, h/4, w/4) to mu and t, each (N, C_y, h, w).
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()

        self.mean = self._stack(arch)
        self.scale = self._stack(arch)

    @staticmethod
    def _stack(arch: Architecture) -> nn.Sequential:
        c = arch.hyper
        stack = nn.Sequential(
            nn.ConvTranspose2d(c, c, 5, stride=2, padding=2, output_padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(c, c, 5, stride=2, padding=2, output_padding=1),
            nn.ReLU(),
            nn.Conv2d(c, arch.latent, 3, padding=1),
        )
        last = stack[-1]
        assert isinstance(last, nn.Conv2d)
        with torch.no_grad():  # start as a factorised model: what z says comes in slowly
            last.weight.mul_(0.1)
            assert last.bias is not None
            last.bias.zero_()
        return stack

    @torch.no_grad()
    def start_at(self, sigma: Tensor) -> None:
        """Set the scale head so that it first answers the given sigma (C_y,) everywhere."""
        last = self.scale[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        last.bias.copy_(index_of_sigma(sigma))

    def forward(self, z_hat: Tensor) -> tuple[Tensor, Tensor]:
        """Predict mu and the real scale index t."""
        return self.mean(z_hat), self.scale(z_hat)
