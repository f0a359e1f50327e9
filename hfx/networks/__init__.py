"""x -> E -> y -> h_a -> z -> h_s -> (mu, sigma); y_hat -> G -> x_hat; D judges in training."""

from hfx.networks.discriminator import Discriminator
from hfx.networks.encoder import Encoder, halo_of_encoder
from hfx.networks.generator import Generator, halo_of_generator
from hfx.networks.hyper import HyperAnalysis, HyperSynthesis

__all__ = [
    "Discriminator",
    "Encoder",
    "Generator",
    "HyperAnalysis",
    "HyperSynthesis",
    "halo_of_encoder",
    "halo_of_generator",
]
