"""The order of coding: everything once, bounded slices, phases that partition the places."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfx.neighbours.plan import PATTERNS, Plan

plans = st.builds(
    Plan,
    window=st.sampled_from(range(1, 16, 2)),
    pattern=st.sampled_from(sorted(PATTERNS)),
    first=st.integers(1, 9),
    growth=st.integers(101, 400),
    widest=st.integers(1, 70),
)


@given(plans, st.integers(1, 300))
def test_slices_hold_every_channel_once_and_in_order(plan, channels):
    slices = plan.slices(channels)
    assert [c for part in slices for c in range(part.start, part.stop)] == list(range(channels))
    widths = [part.stop - part.start for part in slices]
    assert 1 <= min(widths) and max(widths) <= plan.widest
    assert widths[0] == min(plan.first, plan.widest, channels)


def test_slices_grow_as_told():
    def edges(plan, channels):
        return [part.stop for part in plan.slices(channels)]

    assert edges(Plan(first=1, growth=200, widest=64), 220) == [
        1,
        2,
        4,
        8,
        16,
        32,
        64,
        128,
        192,
        220,
    ]
    assert edges(Plan(first=8, growth=150, widest=99), 48) == [8, 12, 18, 27, 40, 48]
    assert Plan().slices(0) == []


@given(plans, st.integers(1, 9), st.integers(1, 9))
def test_phases_partition_the_places(plan, height, width):
    phase = plan.phase_of(height, width)
    assert phase.shape == (height, width)
    assert set(phase.ravel()) <= set(range(plan.phases))
    if min(height, width) >= 2:
        assert set(phase.ravel()) == set(range(plan.phases))


@given(plans)
def test_a_later_phase_lies_among_earlier_ones(plan):
    """Inside a picture, every place beyond phase 0 has a place of an earlier phase beside it."""
    phase = plan.phase_of(10, 10)
    for y, x in np.argwhere(phase[1:-1, 1:-1]) + 1:
        around = phase[y - 1 : y + 2, x - 1 : x + 2]
        assert (around < phase[y, x]).any()


def test_the_patterns_are_what_their_names_say():
    assert Plan(pattern="at once").phase_of(2, 2).tolist() == [[0, 0], [0, 0]]
    assert Plan(pattern="checkerboard").phase_of(2, 3).tolist() == [[0, 1, 0], [1, 0, 1]]
    quarters = Plan(pattern="quarters").phase_of(6, 8)
    assert np.bincount(quarters.ravel()).tolist() == [12] * 4
    assert (quarters[2:, 2:] == quarters[:-2, :-2]).all()


@pytest.mark.parametrize(
    "bad",
    [
        {"window": 0}, {"window": 4}, {"window": -3}, {"window": 17}, {"pattern": "spiral"},
        {"first": 0}, {"growth": 100}, {"widest": 0},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_refused(bad):
    with pytest.raises(ValueError, match="window|pattern|slices"):
        Plan(**bad)


@given(plans)
def test_a_plan_survives_json(plan):
    assert Plan(**json.loads(json.dumps(plan.to_dict()))) == plan
