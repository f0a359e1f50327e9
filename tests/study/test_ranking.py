"""The ranking: finds the strengths that votes were simulated with, and knows how well."""

import math
import sys

import numpy as np
import pytest

from hfx.errors import HfxError
from hfx.study import ranking

pytest.importorskip("choix", reason="the dashboard's extra is not installed")

THETA = np.array([1.0, 0.4, 0.0, -0.3, -1.1])


def simulate(theta, people, pairs, seed=0):
    """(people, K, K) wins of codecs whose strengths are known."""
    draw = np.random.default_rng(seed)
    wins = np.zeros((people, len(theta), len(theta)))
    for person in wins:
        for _ in range(pairs):
            i, j = draw.choice(len(theta), 2, replace=False)
            first = draw.random() < 1 / (1 + np.exp(theta[j] - theta[i]))
            person[(i, j) if first else (j, i)] += 1
    return wins


def test_known_strengths_come_back():
    theta = ranking.strengths(simulate(THETA, people=100, pairs=100).sum(0))
    assert theta.mean() == pytest.approx(0)
    assert np.abs(theta - THETA).max() < 0.1


def test_two_codecs_by_hand():
    """Of two codecs the odds are the ratio of wins, each with the prior added."""
    theta = ranking.strengths(np.array([[0.0, 30.0], [10.0, 0.0]]))
    odds = (30 + ranking.PRIOR) / (10 + ranking.PRIOR)
    assert theta[0] - theta[1] == pytest.approx(np.log(odds))
    assert ranking.chance(theta[0] - theta[1]) == pytest.approx(odds / (1 + odds))


def test_it_is_the_maximum_of_the_likelihood():
    """At the estimate, each codec wins as often as the model expects: the score is 0."""
    wins = simulate(THETA, people=10, pairs=20).sum(0) + ranking.PRIOR * (1 - np.eye(5))
    theta = ranking.strengths(wins - ranking.PRIOR * (1 - np.eye(5)))
    expected = (wins + wins.T) * ranking.chance(theta[:, None] - theta[None])
    assert np.allclose(wins.sum(1), expected.sum(1), rtol=1e-5)


def test_always_losing_is_finite():
    wins = np.zeros((3, 3))
    wins[:2, 2] = 8.0
    theta = ranking.strengths(wins)
    assert np.isfinite(theta).all() and theta[2] < -2
    assert theta[0] == pytest.approx(theta[1])


def test_intervals_hold_the_estimate_and_shrink_with_more_people():
    few, many = (ranking.rank(simulate(THETA, n, 20), resamples=100) for n in (6, 96))
    for found in (few, many):
        assert (found.low < found.strength).all() and (found.strength < found.high).all()
    width = [np.mean(found.high - found.low) for found in (few, many)]
    assert 2.5 < width[0] / width[1] < 6.5  # four, by the law of the square root


def test_intervals_cover_the_truth_as_often_as_they_say():
    """95 % intervals of 5 strengths in 80 studies of a dozen: near 380 of 400 hold the truth."""
    held = 0
    for seed in range(80):
        found = ranking.rank(simulate(THETA, 12, 10, seed), seed=seed)
        held += int(((found.low <= THETA) & (THETA <= found.high)).sum())
    assert 0.91 <= held / 400 <= 0.98


def test_tails_widen_for_few_people():
    """n = 10: norm.cdf(sqrt(10 / 9) * t.ppf(0.025, 9)), with 2.2622 from a printed table."""
    z = 2.2622 * (10 / 9) ** 0.5
    assert ranking.tail_of(10) == pytest.approx(math.erfc(z / 2**0.5) / 2, rel=1e-3)
    assert ranking.tail_of(3) < ranking.tail_of(10) < ranking.tail_of(10**6)
    assert ranking.tail_of(10**6) == pytest.approx(0.025, rel=1e-3)


def test_all_at_once_is_one_by_one():
    wins = simulate(THETA, 30, 8)
    wins[0, 4] = 0  # never preferred: far from the others
    start = ranking.strengths(wins.sum(0))
    single = np.array([ranking.strengths(one) for one in wins])
    assert np.allclose(ranking._strengths_of_all(wins, start), single, atol=1e-5)


def test_people_are_resampled_rather_than_votes():
    """Ten people who always repeat themselves are ten opinions, not a hundred."""
    wins = np.zeros((10, 2, 2))
    wins[:6, 0, 1] = 10
    wins[6:, 1, 0] = 10
    stubborn = ranking.rank(wins, resamples=200)
    wins = np.zeros((10, 2, 2))
    wins[:, 0, 1], wins[:, 1, 0] = 6, 4
    alike = ranking.rank(wins, resamples=200)
    assert stubborn.strength == pytest.approx(alike.strength)
    assert alike.high[0] - alike.low[0] < 0.01 < 0.5 < stubborn.high[0] - stubborn.low[0]


def test_one_participant_gives_no_interval():
    found = ranking.rank(simulate(THETA, 1, 20))
    assert found.low is found.high is None


def test_the_same_votes_give_the_same_intervals():
    wins = simulate(THETA, 5, 10)
    assert np.array_equal(ranking.rank(wins, 50).low, ranking.rank(wins, 50).low)


def test_without_choix_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "choix", None)
    with pytest.raises(HfxError, match="pip install choix"):
        ranking.strengths(np.ones((2, 2)))
