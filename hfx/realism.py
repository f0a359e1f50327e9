r"""The realism dial: one file, and every generator between stage 1's and stage 2's.

.. math:: \theta(r) = (1 - r) \, \theta_1 + r \, \theta_2, \qquad 0 \le r \le 1

Stage 2 (Eq. 6) freezes E and the hyperprior, so both generators decode the same symbols. It
starts from stage 1's G and does not go far, which is why the weights between them make sense.
"""

import copy
import threading
from collections import OrderedDict

import torch

from hfx.errors import HfxError
from hfx.networks import AnyGenerator

KEPT = 4  # mixed generators kept; a slider comes back to where it was


class Dial:
    """The generators of a set of weights, mixed when asked for; safe to share between threads.

    Args:
        first: Stage 1's, faithful.
        second: Stage 2's, realistic; None where there was no stage 2.
        default: The realism meant where none is named.
    """

    def __init__(
        self, first: AnyGenerator, second: AnyGenerator | None, default: float = 0.0
    ) -> None:
        self.first, self.second, self.default = first, second, default
        self.mixed: OrderedDict[float, AnyGenerator] = OrderedDict()
        self.guard = threading.Lock()

    def at(self, realism: float | None = None) -> AnyGenerator:
        """Return the generator at a realism from 0 to 1, None for the default.

        Raises:
            HfxError: realism is no such number, or there is no second generator to mix.
        """
        r = self.default if realism is None else float(realism)
        if not 0 <= r <= 1:  # nor is NaN
            raise HfxError(f"realism goes from 0 to 1, not {realism}")
        if r == 0:
            return self.first
        if self.second is None:
            raise HfxError("these weights have no second generator; decode with realism 0")
        if r == 1:
            return self.second
        with self.guard:
            if r not in self.mixed:
                self.mixed[r] = mix(self.first, self.second, r)
            self.mixed.move_to_end(r)
            while len(self.mixed) > KEPT:
                self.mixed.popitem(last=False)
            return self.mixed[r]


@torch.no_grad()
def mix(first: AnyGenerator, second: AnyGenerator, r: float) -> AnyGenerator:
    """Return a generator with the weights r of the way from the first to the second."""
    made = copy.deepcopy(first)
    pairs = zip(made.parameters(), second.parameters(), strict=True)
    for ours, theirs in pairs:
        ours.lerp_(theirs, r)
    return made
