r"""Bjontegaard deltas: how far apart two rate-quality curves are, along either axis.

Curves run through measured points by monotone cubic pieces (PCHIP) over log10 of the rate, as in
the JVET's common test conditions, and are averaged over the stretch that both cover. The curves
of the `bjontegaard` package are the same; unlike it, this takes measures that fall with the rate
(LPIPS, MSE), points in any order, and says None where there is nothing to average.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from hfx.errors import HfxError

Point = tuple[float, float]  # rate, measure
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Delta:
    """How a test stands to its anchor.

    Attributes:
        rate: Percent of rate that the test takes more, at equal quality; None where no quality
            is reached by both.
        measure: By how much its measure is larger, at equal rate; None where rates do not meet.
        overlap: Share of the two curves' qualities that both reach, 0 to 1. Little means that
            `rate` rests on little.
    """

    rate: float | None
    measure: float | None
    overlap: float


def delta(anchor: Sequence[Point], test: Sequence[Point], higher: bool = True) -> Delta:
    r"""Compare two curves (Bjontegaard 2001, VCEG-M33).

    .. math:: \text{rate} = 100 \left( 10^{\frac{1}{q_1 - q_0} \int_{q_0}^{q_1}
        (r_\text{test}(q) - r_\text{anchor}(q)) \, dq} - 1 \right), \quad r = \log_{10} R

    Args:
        anchor: Points (rate, measure), two or more; the order does not matter.
        test: Likewise.
        higher: Whether the measure grows with quality (PSNR) or falls (LPIPS).

    Raises:
        HfxError: too few points, or a rate that is not positive.
    """
    sign = 1.0 if higher else -1.0
    (r_a, q_a), (r_t, q_t) = curve(anchor, sign), curve(test, sign)
    by_quality = _apart(_rising(q_a, r_a), _rising(q_t, r_t))
    by_rate = _apart((r_a, q_a), (r_t, q_t))
    whole = max(q_a.max(), q_t.max()) - min(q_a.min(), q_t.min())
    common = min(q_a.max(), q_t.max()) - max(q_a.min(), q_t.min())
    return Delta(
        None if by_quality is None else 100 * (10**by_quality - 1),
        None if by_rate is None else sign * by_rate,
        max(0.0, float(common / whole)) if whole > 0 else 0.0,
    )


def curve(points: Sequence[Point], sign: float = 1.0) -> tuple[Array, Array]:
    """Return log10 rates and signed measures, by rising rate; of equal rates the best."""
    best: dict[float, float] = {}
    for rate, value in points:
        if not (rate > 0 and np.isfinite(rate) and np.isfinite(value)):
            raise HfxError(
                f"a curve needs positive rates and finite measures, not {rate}, {value}"
            )
        best[rate] = max(best.get(rate, -np.inf), sign * value)
    if len(best) < 2:
        raise HfxError("a curve needs two points or more: measure at more rates")
    rates = sorted(best)
    return np.log10(rates), np.array([best[rate] for rate in rates])


def _rising(quality: Array, rate: Array) -> tuple[Array, Array]:
    """Keep the points that are better than all cheaper ones: quality is to be an abscissa."""
    keep = quality > np.maximum.accumulate(np.r_[-np.inf, quality[:-1]])
    return quality[keep], rate[keep]


def _apart(anchor: tuple[Array, Array], test: tuple[Array, Array]) -> float | None:
    """Return the mean of test minus anchor over the abscissae that both cover."""
    low = max(anchor[0][0], test[0][0])
    high = min(anchor[0][-1], test[0][-1])
    if len(anchor[0]) < 2 or len(test[0]) < 2 or high <= low:
        return None
    ours, theirs = (PchipInterpolator(*c).integrate(low, high) for c in (test, anchor))
    return float((ours - theirs) / (high - low))
