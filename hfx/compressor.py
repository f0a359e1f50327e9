r"""E, G, the hyperprior and the gains as one trainable model.

x -> E -> y -> (* gain) -> Q(y - mu) -> symbols -> + mu -> (* gain) -> y_hat -> G -> x_hat
          |                    ^ mu, sigma
         h_a -> z -> (* gain) -> Q -> z_hat -> h_s
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from hfx.config import Architecture
from hfx.entropy.likelihood import gaussian_bits, logistic_bits
from hfx.entropy.scales import STEP, index_of_sigma, sigma_of_index
from hfx.networks import HyperAnalysis, HyperSynthesis, encoder_of, generator_of
from hfx.networks.ladder import LadderEncoder, LadderGenerator, start_at_pca
from hfx.networks.layers import pick_tier


class Reconstruction(NamedTuple):
    """What one pass through the model gives.

    Attributes:
        x_hat: (N, 3, H, W), in [0, 1] but not clamped.
        y_hat: (N, C_y, H/16, W/16), what G and D see.
        bits_y: (N,) bits spent on y; under noise, what training descends.
        bits_z: (N,) bits spent on z, likewise.
        bits: (N,) bits the coder would need, without gradient. Uniform noise across the edges
            of near-certain bins costs 0.1 bpp and more, so noisy rates must not be compared
            with r_t.
    """

    x_hat: Tensor
    y_hat: Tensor
    bits_y: Tensor
    bits_z: Tensor
    bits: Tensor


def round_straight_through(v: Tensor) -> Tensor:
    """Round, and let the gradient pass as if nothing had happened: Q of Figure 1."""
    return v + (v.round() - v).detach()


class Compressor(nn.Module):
    r"""The codec without its files: what training optimises.

    Latents leave E in normalised units. Tier gains :math:`g = 2^L` set the quantiser's step per
    channel; the hyperprior speaks of normalised latents, and g moves its answer to the scale of
    the symbols: :math:`\mu g` and :math:`t + \ln g / \text{STEP}`.
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()

        tiers = len(arch.tiers)
        self.arch = arch
        self.encoder = encoder_of(arch)
        self.generator = generator_of(arch)
        self.hyper_analysis = HyperAnalysis(arch)
        self.hyper_synthesis = HyperSynthesis(arch)
        self.log2_gain = nn.Parameter(torch.zeros(tiers, arch.latent))  # L, before Q
        self.log2_degain = nn.Parameter(torch.zeros(tiers, arch.latent))  # after Q
        self.log2_gain_z = nn.Parameter(torch.zeros(tiers, arch.hyper))
        self.z_index = nn.Parameter(index_of_sigma(torch.ones(arch.hyper)))  # p(z), logistic

    def forward(
        self, x: Tensor, tier: Tensor, noise: tuple[Tensor, Tensor] | None = None
    ) -> Reconstruction:
        """Pass pictures through the codec without writing a file.

        In training the rate is measured under additive uniform noise (Balle 2017), the
        distortion after straight-through rounding, as in HiFiC. Without noise both are what
        the coder will see.

        Shapes: x (N, 3, H, W), H and W multiples of 64; tier (N,) real positions between tiers;
        noise in [-0.5, 0.5) shaped like y and z.
        """
        y = self.encoder(x)  # (N, C_y, H/16, W/16)
        with torch.autocast(x.device.type, enabled=False):
            y_hat, *bits = self.code(y, tier, noise)
        return Reconstruction(self.generator(y_hat, tier), y_hat, *bits)

    def code(
        self, y: Tensor, tier: Tensor, noise: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Quantise latents and count their bits; always in float32.

        Shapes: y (N, C_y, h, w) to y_hat (N, C_y, h, w), then bits_y, bits_z and bits, (N,).
        """
        L_y = pick_tier(self.log2_gain, tier)  # (N, C_y, 1, 1)
        L_z = pick_tier(self.log2_gain_z, tier)

        z = self.hyper_analysis(y) * L_z.exp2()  # (N, C_z, h/4, w/4)
        z_hat = round_straight_through(z)
        z_scale = sigma_of_index(shifted(self.z_index[None, :, None, None], L_z))
        bits_z = logistic_bits(z_hat if noise is None else z + noise[1], z_scale).sum((1, 2, 3))

        mu, t = self.hyper_synthesis(z_hat * (-L_z).exp2())  # of normalised latents
        mu, sigma = mu * L_y.exp2(), sigma_of_index(shifted(t, L_y))  # of symbols
        v = y * L_y.exp2() - mu
        symbols = round_straight_through(v)
        bits_y = gaussian_bits(symbols if noise is None else v + noise[0], sigma).sum((1, 2, 3))
        with torch.no_grad():
            bits = gaussian_bits(symbols, sigma).sum((1, 2, 3))
            bits += logistic_bits(z_hat, z_scale).sum((1, 2, 3))

        y_hat = (symbols + mu) * pick_tier(self.log2_degain, tier).exp2()
        return y_hat, bits_y, bits_z, bits

    @torch.no_grad()
    def warm_start(self, patches: np.ndarray, steps: tuple[float, ...]) -> None:
        """Begin as a principal component transform, quantised with the given step a tier.

        Args:
            patches: (n, 3, 16, 16) uint8, cut from training pictures.
            steps: Quantisation step of each tier, in grey levels.
        """
        assert isinstance(self.encoder, LadderEncoder)
        assert isinstance(self.generator, LadderGenerator)
        std, unit = start_at_pca(self.encoder, self.generator, patches)
        for row, step in enumerate(steps):
            self.log2_gain[row] = torch.log2(unit * 255 / step)
            self.log2_degain[row] = -self.log2_gain[row]
            self.log2_gain_z[row] = torch.log2(torch.tensor(4 * steps[-1] / step))
        self.hyper_synthesis.start_at((std / unit).clamp_min(0.01))


def shifted(t: Tensor, L: Tensor) -> Tensor:
    """Move a scale-table index by a gain of 2^L: sigma times 2^L is t plus L ln 2 / STEP."""
    return t + L * (0.6931471805599453 / STEP)
