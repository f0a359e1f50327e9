"""The building blocks of Figure 1: normalisation, residual blocks, strided convolutions."""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pixel_shuffle


class ChannelNorm(nn.Module):
    r"""Normalise each pixel over its channels, :math:`\gamma_c (f_c - \mu) / \sigma + \beta_c`.

    One pixel sees no other, so the networks stay local and a tile of a picture gives what the
    whole picture gives. Of Figure 1; reference: HiFiC, section 3.2, arXiv:2006.09965.

    Shapes: (N, C, H, W) to the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()

        self.norm = nn.LayerNorm(channels, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise over C; channels_last memory makes both permutes free."""
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def norm_of(kind: str, channels: int) -> nn.Module:
    """Return one of `Architecture.norm`'s layers: the paper compares normalisation layers.

    InstanceNorm takes mean and deviation of each channel over the whole picture, BatchNorm over
    all crops of a batch, and once trained over what it remembers of them.
    """
    match kind:
        case "channel":
            return ChannelNorm(channels)
        case "instance":
            return nn.InstanceNorm2d(channels, eps=1e-3, affine=True)
        case "batch":
            return nn.BatchNorm2d(channels, eps=1e-3)
        case "none":
            return nn.Identity()
    raise ValueError(f"there is no norm {kind}")


class ResidualBlock(nn.Module):
    """Two normalised 3x3 convolutions, added to their input (Figure 1).

    Shapes: (N, C, H, W) to the same.
    """

    def __init__(self, channels: int, norm: str = "channel") -> None:
        super().__init__()

        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            norm_of(norm, channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
            norm_of(norm, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add the body's correction; in place, as ReLUs work: memory, not arithmetic, is slow."""
        return self.body(x).add_(x)


def down(c_in: int, c_out: int, norm: str = "channel") -> nn.Sequential:
    """Halve the resolution (Figure 1): strided 3x3 convolution, normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, stride=2, padding=1), norm_of(norm, c_out), nn.ReLU(inplace=True)
    )


def up(c_in: int, c_out: int, norm: str = "channel") -> nn.Sequential:
    """Double the resolution (Figure 1): transposed 3x3 convolution, normalisation, ReLU."""
    return nn.Sequential(
        nn.ConvTranspose2d(c_in, c_out, 3, stride=2, padding=1, output_padding=1),
        norm_of(norm, c_out),
        nn.ReLU(inplace=True),
    )


class BlockSynthesis(nn.ConvTranspose2d):
    """A transposed convolution whose strides are as long as its kernels, so blocks do not overlap.

    As one matrix and a shuffle it gives the same sums in a third of the time.
    Shapes: (N, C_y, h, w) to (N, 3, 16 h, 16 w), with kernels of 16.
    """

    def forward(self, y_hat: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Synthesise each block; the size is always that of whole blocks."""
        assert output_size is None and self.bias is not None
        matrix = self.weight.permute(1, 2, 3, 0).flatten(0, 2)[:, :, None, None]
        blocks = pixel_shuffle(conv2d(y_hat, matrix), self.kernel_size[0])
        return blocks + self.bias[:, None, None]


def pick_tier(log_gain: Tensor, tier: Tensor) -> Tensor:
    """Interpolate per-tier vectors geometrically: rows of (T, C) at real tiers (N,).

    Between tiers the logarithm is linear; outside, the end segment is continued.
    Shapes: (T, C), (N,) to (N, C, 1, 1), in the logarithmic domain.
    """
    if log_gain.shape[0] == 1:
        return log_gain.expand(tier.shape[0], -1)[:, :, None, None]
    left = tier.floor().clamp(0, log_gain.shape[0] - 2).long()
    weight = (tier - left)[:, None]
    return torch.lerp(log_gain[left], log_gain[left + 1], weight)[:, :, None, None]
