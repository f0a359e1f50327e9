"""What a pass through the networks takes, counted: multiply-adds, parameters, bytes moved.

Multiply-adds by `torch.utils.flop_counter`; bytes as if every layer read its input and its
parameters once and wrote its output once, without caches and the halos of tiles.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hfx.networks import HyperSynthesis
from hfx.tiles import padded_latents
from hfx.weights import Weights


@dataclass(frozen=True)
class Count:
    """What a network's pass takes."""

    macs: int
    parameters: int
    read: int  # bytes of parameters
    moved: int  # bytes of what layers read and write

    @property
    def bytes(self) -> int:
        """All that moves."""
        return self.read + self.moved

    def times(self, cells: int) -> "Count":
        """Return the count of a picture so many times as large."""
        return replace(self, macs=self.macs * cells, moved=self.moved * cells)


def counted(weights: Weights, height: int, width: int) -> dict[str, Count]:
    """Count E, h_a, h_s and G for one picture; sides are padded to multiples of 64.

    All is convolution with borders of zeros, so a picture of n cells of 64x64 pixels costs n
    times what one costs, to the last multiply-add.
    """
    arch = weights.arch
    x, tier = torch.zeros(1, 3, 64, 64), torch.zeros(1)
    y, z = torch.zeros(1, arch.latent, 4, 4), torch.zeros(1, arch.hyper, 1, 1)
    one = {
        "E": count(weights.encoder, x),
        "h_a": count(weights.hyper_analysis, y),
        "h_s": count(HyperSynthesis(arch), z),
        "G": count(weights.generator, y, tier),
    }
    h, w = padded_latents(height, width)
    return {stage: cell.times(h // 4 * (w // 4)) for stage, cell in one.items()}


@torch.no_grad()
def count(network: nn.Module, *inputs: Tensor) -> Count:
    """Count one pass of a network."""
    moved = 0

    def look(module: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        nonlocal moved
        moved += sum(t.numel() * t.element_size() for t in (*given, made))

    hooks = [
        module.register_forward_hook(look)
        for module in network.modules()
        if not list(module.children())
    ]
    try:
        with FlopCounterMode(display=False) as counter:
            network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    parameters = list(network.parameters())
    read = sum(p.numel() * p.element_size() for p in parameters)
    return Count(counter.get_total_flops() // 2, sum(p.numel() for p in parameters), read, moved)
