"""Who is asked what: complete, balanced, and with nothing to be learnt from the sides."""

import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from studies import made

from hfx.study.manifest import CATCH, ORIGINAL
from hfx.study.pairs import Trial, comparison_of, comparisons, draw


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return made(tmp_path_factory.mktemp("studies") / "one")


def several(study, people, seed=0):
    """What so many participants are asked, one after the other."""
    chance, given, each = random.Random(seed), [], []
    for _ in range(people):
        each.append(draw(study, given, chance))
        given += each[-1]
    return each


def test_every_two_codecs_on_every_photograph(study):
    pool = comparisons(study)
    assert len(pool) == len(set(pool)) == 4 * 3
    assert (0, "hfx", "JPEG") in pool and (0, "JPEG", "hfx") not in pool


def test_a_codec_that_a_photograph_lacks_is_not_compared_there(study):
    first = study.photographs[0]
    lacking = replace(first, shown={k: v for k, v in first.shown.items() if k != "JPEG"})
    less = replace(study, photographs=(lacking, *study.photographs[1:]))
    assert set(comparisons(study)) - set(comparisons(less)) == {
        (0, "hfx", "JPEG"),
        (0, "JPEG", "AVIF"),
    }


def test_one_participant_sees_no_comparison_twice(study):
    for trials in several(study, 20):
        pairs = [comparison_of(study, t) for t in trials if not t.catch]
        assert len(pairs) == len(set(pairs)) == study.pairs
        assert sum(t.catch for t in trials) == study.catches


def test_the_first_trial_is_a_true_pair(study):
    assert not any(trials[0].catch for trials in several(study, 30))


@pytest.mark.parametrize("people", [1, 3, 7, 12])
def test_comparisons_are_asked_equally_often(study, people):
    times = Counter(
        comparison_of(study, t) for trials in several(study, people) for t in trials if not t.catch
    )
    counts = [times[c] for c in comparisons(study)]
    assert max(counts) - min(counts) <= 1
    assert sum(counts) == people * study.pairs


def test_each_codec_is_on_the_left_half_the_time(study):
    lefts = Counter()
    for trials in several(study, 12):
        for trial in trials:
            if not trial.catch:
                first = comparison_of(study, trial).first
                lefts[comparison_of(study, trial), trial.left == first] += 1
    for comparison in comparisons(study):
        assert abs(lefts[comparison, True] - lefts[comparison, False]) <= 1


def test_sides_and_order_are_left_to_chance(study):
    starts = [several(study, 1, seed)[0] for seed in range(40)]
    assert len({tuple(trials) for trials in starts}) == 40
    first = [trials[0] for trials in starts]
    assert {t.left for t in first} == {t.right for t in first} == set(study.codecs)


def test_few_photographs_come_twice_in_a_row(study):
    repeats = [a.photograph == b.photograph for t in several(study, 30) for a, b in pairwise(t)]
    assert sum(repeats) / len(repeats) < 0.1  # by chance alone it would be a quarter


def test_whoever_presses_one_key_only_fails_a_catch_trial(study):
    for trials in several(study, 20):
        assert {t.answer for t in trials if t.catch} == {"left", "right"}


def test_catch_trials_by_themselves():
    trial = Trial(0, CATCH, ORIGINAL)
    assert trial.catch and trial.answer == "right"
    assert Trial(0, ORIGINAL, CATCH).answer == "left"
    assert not Trial(0, ORIGINAL, "hfx").catch  # the original may compete
