"""x -> E -> y -> h_a -> z -> h_s -> (mu, sigma); y_hat -> G -> x_hat; D judges in training."""

from hfx.config import Architecture
from hfx.networks import encoder, generator, ladder
from hfx.networks.discriminator import Discriminator
from hfx.networks.encoder import Encoder
from hfx.networks.generator import Generator
from hfx.networks.hyper import HyperAnalysis, HyperSynthesis
from hfx.networks.ladder import LadderEncoder, LadderGenerator

AnyEncoder = Encoder | LadderEncoder
AnyGenerator = Generator | LadderGenerator

__all__ = [
    "AnyEncoder",
    "AnyGenerator",
    "Discriminator",
    "Encoder",
    "Generator",
    "HyperAnalysis",
    "HyperSynthesis",
    "LadderEncoder",
    "LadderGenerator",
    "encoder_of",
    "generator_of",
    "halo_of_encoder",
    "halo_of_generator",
]


def encoder_of(arch: Architecture) -> AnyEncoder:
    """Build E."""
    return LadderEncoder(arch) if arch.ladder else Encoder(arch)


def generator_of(arch: Architecture) -> AnyGenerator:
    """Build G."""
    return LadderGenerator(arch) if arch.ladder else Generator(arch)


def halo_of_encoder(arch: Architecture) -> int:
    """Return the picture pixels to each side that one latent depends on, beyond its own 16x16."""
    return (ladder.reach_of_encoder if arch.ladder else encoder.halo_of_encoder)(arch)


def halo_of_generator(arch: Architecture) -> int:
    """Return the latents to each side that the pixels of one latent depend on."""
    return (ladder.reach_of_generator if arch.ladder else generator.halo_of_generator)(arch)
