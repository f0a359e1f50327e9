"""Agreement between participants, counted by hand."""

import pytest

from hfx.study.agreement import agreement


def test_by_hand():
    found = agreement([("a", "x"), ("a", "x"), ("a", "y"), ("b", "x"), ("b", "x"), ("c", "y")])
    # a: three twos, one agrees; b: one two, it agrees; c: nobody to compare with
    assert (found.twos, found.same) == (4, 2)
    assert found.share == 0.5
    assert found.beyond_chance == 0


def test_all_or_none():
    assert agreement([("a", "x")] * 3).beyond_chance == 1
    assert agreement([("a", "x"), ("a", "y")]).beyond_chance == -1


@pytest.mark.parametrize("answers", [[], [("a", "x"), ("b", "x")]])
def test_nothing_to_compare(answers):
    found = agreement(answers)
    assert found.twos == 0 and found.share is found.beyond_chance is None
