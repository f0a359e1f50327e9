"""Training samples: exactly what the coder will show, drawn evenly, asked in the chain's order."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from fields import PLAN, Spy, anything, chain, field, fitted, structured, tables
from synthetic import picture

from hfx.entropy import coder
from hfx.errors import HfxError
from hfx.neighbours import coding
from hfx.neighbours.chain import DECISIONS
from hfx.neighbours.samples import (
    LEVELS,
    Report,
    Windows,
    bytes_of,
    cost,
    latents_of,
    windows_of,
)


def draw(latents, count, seed=0):
    return windows_of(latents, tables(), PLAN, chain(), count, seed)


def test_windows_are_what_the_coder_shows():
    """All of them, in coding order: the rows that the chain's first decision is asked with."""
    one, spy = anything(0, (5, 9, 8)), Spy(PLAN)
    coding.encode(spy, tables(), *one.side, one.y)
    shown = np.concatenate([rows for decision, rows in spy.seen if decision == 0])
    got = draw([one], 10**9)
    np.testing.assert_array_equal(got.rows, shown)
    open_ = ~chain().sure[one.index]
    assert len(got) == open_.sum()
    np.testing.assert_array_equal(np.sort(got.symbols), np.sort(one.y[open_]))
    np.testing.assert_array_equal(got.rows[:, 0], got.index)


@pytest.mark.parametrize("decision", range(len(DECISIONS)), ids=DECISIONS)
def test_decisions_are_asked_as_in_the_chain(decision):
    """The coder asks the same rows, and hears the same answers."""
    one, spy, heard = anything(1, (4, 8, 8)), Spy(PLAN), []

    class Ear(coding.Writer):
        def decide(self, at, of, ones):
            heard.append((spy.seen[-1][0], of(self.y[at])))
            return super().decide(at, of, ones)

    coding.walk(Ear(one.y), spy, tables(), *one.side)
    got = draw([one], 10**9)
    asked, answers = got.asked(decision)
    rows = np.concatenate([rows for number, rows in spy.seen if number == decision])
    np.testing.assert_array_equal(got.rows[asked], rows)
    answered = np.concatenate([answer for number, answer in heard if number == decision])
    np.testing.assert_array_equal(answers, answered)
    assert 0 < answers.sum() < len(answers)


@pytest.mark.parametrize("count", [1, 50, 700, 10**9])
def test_as_many_as_asked_for(count):
    latents = [field(seed) for seed in range(3)]
    every = sum(int((~chain().sure[one.index]).sum()) for one in latents)
    got = draw(latents, count)
    assert len(got.rows) == len(got.index) == len(got) <= min(count, every)
    assert count < 100 or len(got) > 0.9 * min(count, every)


def test_drawn_evenly_over_pictures_and_places():
    small, large = field(0, (6, 8, 8)), field(1, (6, 32, 32), level=7)
    got = draw([small, large], 3000)
    share = (got.rows[:, 2] == 7).mean()  # quality tells which picture
    assert share == pytest.approx(16 / 17, abs=0.03)
    lower = (got.rows[got.rows[:, 2] == 7][:, 4] >= 16).mean()
    assert lower == pytest.approx(0.5, abs=0.04)


def test_the_seed_decides():
    latents = [field(0)]
    for name in ("rows", "symbols", "index"):
        a, b = (getattr(draw(latents, 300, 5), name) for _ in range(2))
        np.testing.assert_array_equal(a, b)
    assert draw(latents, 300, 5).rows.tobytes() != draw(latents, 300, 6).rows.tobytes()


def test_pictures_of_sure_symbols_teach_nothing():
    with pytest.raises(HfxError, match="no symbols to learn from"):
        draw([field(0, likely=(0, 1))], 100)


def test_asked_of_nobody():
    none = Windows(np.zeros((0, 3), np.float32), np.zeros(0, np.int32), np.zeros(0, np.uint8))
    for decision in range(len(DECISIONS)):
        asked, answers = none.asked(decision)
        assert len(asked) == len(answers) == len(none) == 0


def test_cost_is_cross_entropy_in_bits():
    margin, answers = np.array([0.0, 2.0, 2.0, -3.0]), np.array([True, True, False, False])
    want = sum(
        -math.log2(1 / (1 + math.exp(-m if yes else m)))
        for m, yes in zip(margin, answers, strict=True)
    )
    assert cost(margin, answers) == pytest.approx(want)
    assert cost(np.array([800.0, -800.0]), np.array([True, False])) == 0
    assert cost(np.array([-800.0]), np.array([True])) == pytest.approx(800 / math.log(2))


def test_report():
    report = Report(9, [100.4, 50.0], [80.0, 40.3], [3, 0])
    assert report.saved == pytest.approx(1 - 120.3 / 150.4)
    assert json.loads(json.dumps(report.to_dict())) == {
        "windows": 9, "before": [100, 50], "after": [80, 40], "rounds": [3, 0],
    }  # fmt: skip
    assert Report(9).saved == Report(9, [0.0], [0.0], [1]).saved == 0


def test_bytes_are_those_of_the_chunks():
    prior = SimpleNamespace(tables_y=tables())
    codec = SimpleNamespace(weights=SimpleNamespace(prior=prior))
    latents = [structured(60), structured(61)]
    before, after = bytes_of(codec, fitted()[0], latents)
    plain = [coder.encode(one.y.ravel(), one.index.ravel(), tables()) for one in latents]
    assert before == sum(len(data) + len(escapes) for data, escapes in plain)
    coded = [coding.encode(fitted()[0], tables(), *one.side, one.y) for one in latents]
    assert after == sum(len(data) + len(escapes) for data, escapes in coded) < before


def test_latents_of_pictures(tiny_codec):
    calls, pictures = [], [picture(seed, 64, 80) for seed in range(4)]
    latents = latents_of(tiny_codec, pictures, 3, lambda: calls.append(1))
    assert len(calls) == len(latents) == 4
    assert all(LEVELS[0] <= one.level < LEVELS[1] for one in latents)
    assert len({one.level for one in latents}) > 1
    for one, again in zip(latents, latents_of(tiny_codec, pictures, 3), strict=True):
        assert one.level == again.level and one.y.any()
        np.testing.assert_array_equal(one.y, again.y)
