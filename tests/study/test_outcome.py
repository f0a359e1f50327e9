"""What a study came to, from simulated participants."""

import csv

import pytest
from studies import answer, made

from hfx.study import outcome as counting
from hfx.study import votes
from hfx.study.outcome import COLUMNS, export, flagged_of, outcome, rows

pytest.importorskip("choix", reason="the dashboard's extra is not installed")

ORDER = ("hfx", "AVIF", "JPEG")  # the best first


def best(left, right):
    return min(left, right, key=ORDER.index)


def worst(left, right):
    return max(left, right, key=ORDER.index)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Five people of one opinion, one of the opposite who fails the catch trials, one who left."""
    study = made(tmp_path_factory.mktemp("studies") / "one")
    for _ in range(5):
        answer(study, votes.join(study), best)
    answer(study, votes.join(study), worst, catches=False)
    votes.vote(study, votes.join(study), 0, "left")
    return study


def test_people_and_votes(study):
    found = outcome(study)
    assert (found.joined, found.finished, found.flagged) == (7, 6, (6,))
    assert found.votes == 6 * 10 + 1
    without = outcome(study, without_flagged=True)
    assert (without.joined, without.finished, without.flagged) == (7, 6, (6,))
    assert without.votes == 5 * 10 + 1


def test_the_ranking(study):
    found = outcome(study, without_flagged=True)
    assert [at.codec for at in found.standings] == list(ORDER)
    for at in found.standings:
        assert 0 <= at.low <= at.chance <= at.high <= 1
    assert sum(at.wins for at in found.standings) == found.votes
    assert sum(at.shown for at in found.standings) == 2 * found.votes
    assert sum(at.strength for at in found.standings) == pytest.approx(0)
    assert found.standings[0].wins >= found.standings[0].shown - 1
    assert found.standings[0].chance < outcome(study).standings[0].chance + 0.5
    shares = {at.codec: at.budget_share for at in found.standings}
    assert shares == pytest.approx({"hfx": 0.998, "JPEG": 0.997, "AVIF": 0.996})


def test_who_was_wrong_pulls_the_ranking_less_when_left_out(study):
    assert (
        outcome(study, without_flagged=True).standings[0].strength
        > outcome(study).standings[0].strength
    )


def test_agreement_of_like_minded_people(study):
    without = outcome(study, without_flagged=True).agreement
    assert without.twos - without.same <= 5  # but for the one vote of whoever left
    assert outcome(study).agreement.share < without.share


def test_the_table_of_votes(study, tmp_path):
    path = tmp_path / "votes.csv"
    assert export(study, path) == len(rows(study)) == 6 * 12 + 1
    with open(path, newline="") as file:
        read = list(csv.DictReader(file))
    assert tuple(read[0]) == COLUMNS
    asked = [one for one in votes.everything(study) if one.side]
    for line, one in zip(read, asked, strict=True):
        assert line["participant"] == str(one.participant)
        assert line["chosen"] == line[line["side"]] == one.chosen
        assert line["flagged"] == ("1" if one.participant == 6 else "0")
        assert (line["kind"] == "catch") == ("catch" in (line["left"], line["right"]))
    pair = next(line for line in read if line["kind"] == "pair" and line["left"] == "JPEG")
    assert pair["left_bytes"] == "997" and pair["photograph"].startswith("photo ")
    catch = next(line for line in read if line["kind"] == "catch")
    assert catch["left_bytes"] == catch["right_bytes"] == ""


def test_tokens_stay_where_they_are(study):
    assert not any("token" in line for line in rows(study))


def test_before_the_first_vote(tmp_path):
    study = made(tmp_path / "one")
    votes.join(study)
    found = outcome(study)
    assert (found.joined, found.finished, found.votes, found.standings) == (1, 0, 0, ())
    assert found.agreement.share is None and rows(study) == []


def test_one_participant_has_a_ranking_without_intervals(tmp_path):
    study = made(tmp_path / "one")
    answer(study, votes.join(study), best)
    found = outcome(study)
    assert [at.codec for at in found.standings] == list(ORDER)
    assert all(at.low is at.high is None for at in found.standings)


def test_only_catch_trials_flag(tmp_path):
    study = made(tmp_path / "one")
    answer(study, votes.join(study), worst)
    assert flagged_of(votes.everything(study)) == ()


def test_wins_by_hand(tmp_path):
    study = made(tmp_path / "one", codecs=("hfx", "JPEG"), photographs=3, pairs=3, catches=0)
    answer(study, votes.join(study), lambda a, b: "JPEG")
    wins = counting.wins_of(study, votes.everything(study))
    assert wins.tolist() == [[0, 0], [3, 0]]
