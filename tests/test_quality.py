"""One dial: what users ask for becomes a level, and sizes are met."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfx.config import TIERS
from hfx.entropy.fixedpoint import LEVELS
from hfx.errors import HfxError
from hfx.quality import (
    TRIES,
    level_of,
    level_of_quality,
    possible,
    quality_of_level,
    search,
    search_twice,
)  # fmt: skip

WORST, BEST = level_of_quality(0), level_of_quality(100)


def files(base=1000, growth=1.003, jitter=0):
    """An encoder whose file of a level is as long as an exponential law says."""

    def encode(level):
        assert WORST <= level <= BEST
        return bytes(round(base * growth**level) + (level * 7919) % (jitter + 1))

    return encode


def test_tiers_and_their_qualities_are_one_dial():
    for number, tier in enumerate(TIERS):
        assert level_of(TIERS, tier) == number * LEVELS
        assert level_of(TIERS, quality=20 + 30 * number) == number * LEVELS
    assert level_of(TIERS) == level_of(TIERS, "medium")


@given(st.floats(0, 100))
def test_quality_and_level_are_inverse(quality):
    level = level_of(TIERS, quality=quality)
    assert possible(level)
    assert abs(quality_of_level(level) - quality) <= 30 / LEVELS / 2 + 1e-9


def test_levels_outside_the_dial_are_impossible():
    assert possible(WORST) and possible(BEST)
    assert not possible(WORST - 1) and not possible(BEST + 1) and not possible(32767)


def test_a_single_tier_has_one_level():
    assert level_of(("medium",)) == level_of(("medium",), quality=90) == 0
    assert level_of(("only",)) == 0


@pytest.mark.parametrize(
    ("wish", "cause"),
    [
        ({"tier": "low", "quality": 3}, "choose one"),
        ({"quality": 3, "target_bytes": 4}, "choose one"),
        ({"tier": "huge"}, "no tier 'huge'"),
        ({"tier": ""}, "no tier"),
        ({"quality": -1}, "0 to 100"),
        ({"quality": 100.1}, "0 to 100"),
        ({"quality": math.nan}, "0 to 100"),
        ({"target_bpp": 0}, "greater than 0"),
        ({"target_bpp": math.nan}, "greater than 0"),
        ({"target_bpp": math.inf}, "finite"),
        ({"target_bytes": -5}, "greater than 0"),
    ],
)
def test_impossible_wishes_are_refused(wish, cause):
    with pytest.raises(HfxError, match=cause):
        level_of(TIERS, **wish)


@given(st.integers(700, 6000), st.integers(0, 40))
def test_never_above(bound, jitter):
    data = search(files(jitter=jitter), bound, never_above=True)
    assert len(data) <= bound
    assert len(data) >= 0.99 * bound - 2 * jitter or len(data) == len(files(jitter=jitter)(BEST))


@given(st.integers(620, 7600))
def test_nearest(bound):
    lengths = [len(files()(level)) for level in range(WORST, BEST + 1)]
    found = len(search(files(), bound, never_above=False))
    assert abs(found - bound) == min(abs(n - bound) for n in lengths)


def test_out_of_reach_is_said():
    smallest, largest = len(files()(WORST)), len(files()(BEST))
    with pytest.raises(HfxError, match=f"smallest file .* {smallest} bytes"):
        search(files(), smallest - 1, never_above=True)
    with pytest.raises(HfxError, match="smallest"):
        search(files(), smallest // 2, never_above=False)
    with pytest.raises(HfxError, match=f"largest file .* {largest} bytes"):
        search(files(), largest * 2, never_above=False)
    assert len(search(files(), largest * 2, never_above=True)) == largest
    assert len(search(files(), smallest - 1, never_above=False)) == smallest  # within 3 %


def test_few_encodings():
    calls = []
    search(lambda level: calls.append(level) or files()(level), 2000, never_above=True)
    assert len(calls) <= 2 + math.ceil(math.log2(BEST - WORST))


@pytest.mark.parametrize("never_above", [True, False])
@given(bound=st.integers(700, 6000), ratio=st.floats(0.85, 1.15))
def test_files_of_other_sizes_meet_the_bound_in_few_tries(never_above, bound, ratio):
    calls = []

    def refined(level):
        calls.append(level)
        return b"r" * round(len(files()(level)) * ratio)

    found = len(search_twice(files(), refined, bound, never_above))
    assert found <= bound if never_above else abs(found - bound) <= 0.03 * bound
    assert found >= 0.99 * bound - 10
    assert len(calls) <= TRIES


def test_where_no_refined_file_fits_the_quick_one_serves():
    smallest = len(files()(WORST))
    grown = search_twice(files(), lambda level: bytes(10**6), smallest, never_above=True)
    assert len(grown) == smallest
    with pytest.raises(HfxError, match="smallest"):
        search_twice(files(), files(), smallest - 1, never_above=True)


def test_no_level_is_encoded_twice():
    calls = []
    search_twice(lambda level: calls.append(level) or files()(level), files(1050), 2000, True)
    assert len(calls) == len(set(calls))
