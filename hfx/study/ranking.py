r"""From votes to a ranking: Bradley and Terry's model, with intervals from the bootstrap.

.. math:: P(i \text{ is preferred to } j) = \frac{1}{1 + e^{\theta_j - \theta_i}}

R. A. Bradley, M. E. Terry, *Rank analysis of incomplete block designs*, Biometrika 39, 1952.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hfx.errors import HfxError

PRIOR = 0.1  # votes each way that every two codecs start with, so that no strength is infinite
RESAMPLES = 400
LEVEL = 0.95
_NEWTON = 50  # steps at most; ten are usual

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ranking:
    """Strengths of K codecs.

    Shapes:
        strength: (K,) theta, their mean 0.
        low: (K,) lower ends of the intervals of theta; None from fewer than two participants.
        high: (K,) upper ends.
    """

    strength: Floats
    low: Floats | None
    high: Floats | None


def strengths(wins: Floats, start: Floats | None = None) -> Floats:
    """Return the most likely theta (K,), their mean 0.

    Args:
        wins: (K, K), how often the row's codec was preferred to the column's.
        start: Where to begin the search; the result does not depend on it.

    Raises:
        HfxError: choix is not installed.
    """
    try:
        import choix
    except ImportError as error:
        raise HfxError("a ranking needs `pip install choix`") from error
    with_prior = wins + PRIOR * (1 - np.eye(len(wins)))
    theta = choix.ilsr_pairwise_dense(with_prior, initial_params=start)
    return theta - theta.mean()


def chance(theta: Floats) -> Floats:
    """Return how probably each codec is preferred to a rival of average strength."""
    return 1 / (1 + np.exp(-theta))


def rank(wins: Floats, resamples: int = RESAMPLES, seed: int = 0) -> Ranking:
    """Estimate strengths and their 95 % intervals: expanded percentiles of the bootstrap.

    Whole participants are drawn again, not votes: the answers of one person hang together.

    Args:
        wins: (N, K, K), of each participant, how often the row's codec was preferred to the
            column's.
        resamples: How many times N participants are drawn, with replacement.
        seed: Of these draws.
    """
    people = len(wins)
    theta = strengths(wins.sum(0))
    if people < 2:
        return Ranking(theta, None, None)
    draws = np.random.default_rng(seed).multinomial(
        people, np.full(people, 1 / people), size=resamples
    )
    again = _strengths_of_all(np.tensordot(draws, wins, 1), theta)
    tail = tail_of(people)
    low, high = np.quantile(again, [tail, 1 - tail], axis=0)
    return Ranking(theta, low, high)


def tail_of(people: int) -> float:
    r"""Return the share of resamples to leave out at either end.

    .. math:: \Phi(\sqrt{n / (n - 1)} \, t_{n-1}^{-1}(0.025))

    Plain percentiles (0.025) are too narrow for few participants n. T. Hesterberg, *What teachers
    should know about the bootstrap*, The American Statistician 69, 2015, section 4.2.
    """
    from scipy import stats

    degrees = people - 1
    return float(stats.norm.cdf((people / degrees) ** 0.5 * stats.t.ppf((1 - LEVEL) / 2, degrees)))


def _strengths_of_all(wins: Floats, start: Floats) -> Floats:
    """Do what `strengths` does for (B, K, K) at once, by Newton's steps: 100 times as fast."""
    codecs = len(start)
    wins = wins + PRIOR * (1 - np.eye(codecs))
    shown = wins + wins.transpose(0, 2, 1)
    theta = np.tile(start, (len(wins), 1))
    for _ in range(_NEWTON):
        p = chance(theta[:, :, None] - theta[:, None, :])
        score = (wins - shown * p).sum(2)
        curve = -shown * p * (1 - p)
        curve[:, range(codecs), range(codecs)] = -curve.sum(2)
        # theta is free up to a constant; adding one everywhere to the curvature fixes its mean
        step = np.linalg.solve(curve + 1, score[..., None])[..., 0].clip(-1, 1)
        theta += step
        if np.abs(step).max() < 1e-6:
            break
    return theta - theta.mean(1, keepdims=True)
