"""Votes: kept once, kept all, whoever writes at the same time."""

import multiprocessing
import sqlite3
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
from studies import answer, made

from hfx.errors import HfxError
from hfx.study import votes
from hfx.study.pairs import comparison_of, comparisons


@pytest.fixture
def study(tmp_path):
    return made(tmp_path / "one")


def in_file(study):
    """The votes as another program finds them."""
    with closing(sqlite3.connect(study.votes)) as base:
        return base.execute("SELECT participant, number, side FROM votes").fetchall()


def test_a_participant_gets_trials_and_answers_them(study):
    token = votes.join(study)
    trials = votes.trials_of(study, token)
    assert [asked.number for asked in trials] == list(range(12))
    assert all(asked.side is asked.chosen is None for asked in trials)

    assert votes.count(study) == (1, 0)
    assert votes.vote(study, token, 3, "right", 2.5)
    assert votes.count(study) == (1, 1)
    after = votes.trials_of(study, token)
    assert after[3] == replace(trials[3], side="right", seconds=2.5)
    assert after[3].chosen == trials[3].trial.right
    assert after[:3] + after[4:] == trials[:3] + trials[4:]
    assert votes.everything(study) == after


def test_the_first_answer_counts(study):
    token = votes.join(study)
    assert votes.vote(study, token, 0, "left")
    assert not votes.vote(study, token, 0, "right")
    assert not votes.vote(study, token, 0, "left")
    assert in_file(study) == [(1, 0, "left")]


def test_a_vote_needs_a_trial(study):
    token = votes.join(study)
    for who, number in ((token, 12), (token, -1), ("nobody", 0)):
        with pytest.raises(HfxError, match="belongs to no trial"):
            votes.vote(study, who, number, "left")
    with pytest.raises(HfxError, match="'middle'"):
        votes.vote(study, token, 0, "middle")
    assert in_file(study) == []
    assert votes.trials_of(study, "nobody") == []


def test_the_tables_themselves_refuse_doubles_and_strangers(study):
    votes.vote(study, votes.join(study), 0, "left")
    with closing(sqlite3.connect(study.votes)) as base:
        base.execute("PRAGMA foreign_keys = ON")
        for row in ((1, 0, "right"), (1, 99, "left"), (7, 0, "left"), (1, 1, "up")):
            with pytest.raises(sqlite3.IntegrityError):
                base.execute("INSERT INTO votes VALUES (?, ?, ?, 0)", row)


def test_who_failed_a_catch_trial(study):
    good, bad = votes.join(study), votes.join(study)
    answer(study, good, lambda a, b: a)
    answer(study, bad, lambda a, b: a, catches=False)
    assert [sum(asked.caught for asked in votes.trials_of(study, t)) for t in (good, bad)] == [
        0,
        2,
    ]


def test_nothing_personal_is_kept(study):
    tokens = {votes.join(study) for _ in range(20)}
    assert len(tokens) == 20 and min(map(len, tokens)) >= 16
    with closing(sqlite3.connect(study.votes)) as base:
        names = {
            column[1]
            for (table,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for column in base.execute(f"PRAGMA table_info({table})")
        }
    assert names == {
        "id", "token", "participant", "number", "photograph", "left", "right", "side", "seconds",
    }  # fmt: skip


def take_part(study, impatient=True):
    """Join, answer every trial, and press again now and then, the other way."""
    token = votes.join(study)
    new = 0
    for asked in votes.trials_of(study, token):
        new += votes.vote(study, token, asked.number, "left")
        if impatient and asked.number % 3 == 0:
            new += votes.vote(study, token, asked.number, "right")
    return new


def check_all_is_there(study, people):
    kept = in_file(study)
    assert Counter(who for who, _, _ in kept) == {i: 12 for i in range(1, people + 1)}
    assert len(set(kept)) == len(kept) and {side for _, _, side in kept} == {"left"}
    pool = Counter(comparison_of(study, a.trial) for a in votes.everything(study)
                   if not a.trial.catch)  # fmt: skip
    counts = [pool[c] for c in comparisons(study)]
    assert max(counts) - min(counts) <= 1  # joining at once does not unbalance


def test_a_dozen_threads_at_once(study):
    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(take_part, [study] * 12)) == [12] * 12
    check_all_is_there(study, 12)


def test_several_processes_at_once(study):
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(3, mp_context=context) as pool:
        assert list(pool.map(take_part, [study] * 12)) == [12] * 12
    check_all_is_there(study, 12)


def test_one_browser_twice(study):
    """The same participant answers in two windows: every trial has one answer, one is new."""
    token = votes.join(study)

    def window(side):
        return sum(votes.vote(study, token, number, side) for number in range(12))

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(window, ("left", "right"))) == 12
    assert len(in_file(study)) == 12


def test_readers_do_not_wait_for_a_writer(study):
    token = votes.join(study)
    with closing(sqlite3.connect(study.votes, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        begun = time.perf_counter()
        assert len(votes.trials_of(study, token)) == 12
        assert time.perf_counter() - begun < 5
        writer.execute("ROLLBACK")


def test_an_unfinished_join_leaves_nothing(study, monkeypatch):
    def fail(*arguments):
        raise RuntimeError

    monkeypatch.setattr(votes, "draw", fail)
    with pytest.raises(RuntimeError):
        votes.join(study)
    monkeypatch.undo()
    assert votes.everything(study) == []
    votes.join(study)
    assert {asked.participant for asked in votes.everything(study)} == {1}


def test_the_draw_can_be_repeated(tmp_path):
    studies = [made(tmp_path / name, code="SAME22") for name in ("a", "b")]
    drawn = [[a.trial for a in votes.trials_of(s, votes.join(s, seed=3))] for s in studies]
    assert drawn[0] == drawn[1]


def test_lost_votes_are_said_to_be_lost(study):
    study.votes.unlink()
    with pytest.raises(HfxError, match="cannot use"):
        votes.join(study)
    assert not study.votes.exists()  # no empty file in its place
    study.votes.write_bytes(b"no database" * 100)
    with pytest.raises(HfxError, match="cannot use"):
        votes.everything(study)
    with pytest.raises(HfxError, match="cannot create"):
        votes.create(study.folder / "none" / "votes.sqlite")
