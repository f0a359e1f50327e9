"""The measures that every table reports, in the order of its columns.

A measure that cannot be had (a network that is not on this machine, a picture too small) is
None, with the reason beside it; nothing is estimated in its place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hfx import metrics
from hfx.errors import WeightsError
from hfx.results import UNDEFINED

Pixels = NDArray[np.uint8]


def mse(x: Pixels, x_hat: Pixels) -> float:
    """Mean squared error on the 0 to 255 scale, as PSNR has it: 255^2 / 10^(PSNR / 10)."""
    return float(255**2 / 10 ** (metrics.psnr(x, x_hat) / 10))


@dataclass(frozen=True)
class Measure:
    """One column.

    Attributes:
        title: Name to read, with its unit.
        digits: Decimals worth showing.
        higher: Higher is better.
        of: From a pair of pictures to a number; None for pictures too small.
    """

    title: str
    digits: int
    higher: bool
    of: Callable[[Pixels, Pixels], float | None]


PANEL = {
    "mse": Measure("MSE", 1, False, mse),
    "psnr": Measure("PSNR / dB", 2, True, metrics.psnr),
    "ssim": Measure("SSIM", 3, True, metrics.ssim),
    "ms_ssim": Measure("MS-SSIM", 3, True, metrics.ms_ssim),
    "lpips": Measure("LPIPS", 3, False, metrics.lpips),
    "lpips_squeeze": Measure("LPIPS squeeze", 3, False, metrics.lpips_squeeze),
    "dists": Measure("DISTS", 3, False, metrics.dists),
}


# Networks that were looked for in vain: without a connection each search takes its time.
_absent: dict[Callable[[Pixels, Pixels], float | None], str] = {}


def measure(
    x: Pixels, x_hat: Pixels, names: Sequence[str] = tuple(PANEL)
) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return measures of a pair by name, and the reason of each that is None."""
    values: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for name in names:
        of = PANEL[name].of
        values[name] = None
        if of in _absent:
            reasons[name] = _absent[of]
            continue
        try:
            values[name] = of(x, x_hat)
            if values[name] is None:
                reasons[name] = f"{UNDEFINED} {x.shape[1]} x {x.shape[0]} pixels"
        except WeightsError as error:
            reasons[name] = _absent[of] = str(error)
    return values, reasons


def available() -> set[str]:
    """Return the names of the measures that can be had on this machine."""
    probe = np.zeros((192, 192, 3), np.uint8)
    return {name for name, value in measure(probe, probe)[0].items() if value is not None}
