"""What a study came to: who voted, who is ahead, who agrees, and every vote as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hfx import results
from hfx.study import votes
from hfx.study.agreement import Agreement, agreement
from hfx.study.manifest import Study
from hfx.study.pairs import comparison_of
from hfx.study.ranking import Ranking, chance, rank
from hfx.study.votes import Asked

COLUMNS = (
    "participant", "trial", "kind", "photograph", "left", "right", "left_bytes", "right_bytes",
    "side", "chosen", "seconds", "flagged",
)  # fmt: skip


@dataclass(frozen=True)
class Standing:
    """Where a codec stands.

    Attributes:
        codec: Its name.
        strength: theta of Bradley and Terry's model; the mean over codecs is 0.
        chance: How probably it is preferred to a rival of average strength.
        low: Lower end of the 95 % interval of `chance`; None from fewer than two participants.
        high: Upper end.
        wins: Votes for it.
        shown: Votes in which it took part.
        budget_share: Its bytes over those allowed, on average; None for the original.
    """

    codec: str
    strength: float
    chance: float
    low: float | None
    high: float | None
    wins: int
    shown: int
    budget_share: float | None


@dataclass(frozen=True)
class Outcome:
    """What the votes of a study say.

    Attributes:
        joined: How many people took part.
        finished: How many of them answered everything.
        flagged: Numbers of those who failed a catch trial.
        votes: How many votes were counted, catch trials not among them.
        standings: The codecs, the strongest first; empty without a vote.
        agreement: Of the participants counted.
    """

    joined: int
    finished: int
    flagged: tuple[int, ...]
    votes: int
    standings: tuple[Standing, ...]
    agreement: Agreement


def outcome(study: Study, without_flagged: bool = False) -> Outcome:
    """Read the votes and say what they come to.

    Args:
        study: The study.
        without_flagged: Leave out everybody who failed a catch trial.

    Raises:
        HfxError: the votes cannot be read, or choix is not installed.
    """
    asked = votes.everything(study)
    people: dict[int, list[Asked]] = {}
    for one in asked:
        people.setdefault(one.participant, []).append(one)
    flagged = flagged_of(asked)
    counted = [
        [one for one in trials if one.side and not one.trial.catch]
        for number, trials in people.items()
        if not (without_flagged and number in flagged)
    ]
    counted = [trials for trials in counted if trials]
    flat = [one for trials in counted for one in trials]
    return Outcome(
        joined=len(people),
        finished=sum(all(one.side for one in trials) for trials in people.values()),
        flagged=flagged,
        votes=len(flat),
        standings=_standings(study, counted) if flat else (),
        agreement=agreement((comparison_of(study, a.trial), str(a.chosen)) for a in flat),
    )


def flagged_of(asked: Sequence[Asked]) -> tuple[int, ...]:
    """Return the numbers of participants who took a ruined picture for the original."""
    return tuple(sorted({one.participant for one in asked if one.caught}))


def wins_of(study: Study, trials: Sequence[Asked]) -> np.ndarray:
    """Count (K, K) how often the row's codec was preferred to the column's."""
    place = {codec: k for k, codec in enumerate(study.codecs)}
    wins = np.zeros((len(place), len(place)))
    for one in trials:
        loser = one.trial.right if one.chosen == one.trial.left else one.trial.left
        wins[place[str(one.chosen)], place[loser]] += 1
    return wins


def _standings(study: Study, people: Sequence[Sequence[Asked]]) -> tuple[Standing, ...]:
    """Rank the codecs."""
    wins = np.array([wins_of(study, trials) for trials in people])
    ranking: Ranking = rank(wins)
    total = wins.sum(0)
    ends = [None if end is None else chance(end) for end in (ranking.low, ranking.high)]
    found = []
    for k, codec in enumerate(study.codecs):
        low, high = (None if end is None else float(end[k]) for end in ends)
        shares = [
            shown.bytes / photograph.budget
            for photograph in study.photographs
            if (shown := photograph.shown.get(codec)) and shown.bytes is not None
        ]
        found.append(
            Standing(
                codec=codec,
                strength=float(ranking.strength[k]),
                chance=float(chance(ranking.strength)[k]),
                low=low,
                high=high,
                wins=int(total[k].sum()),
                shown=int(total[k].sum() + total[:, k].sum()),
                budget_share=float(np.mean(shares)) if shares else None,
            )
        )
    return tuple(sorted(found, key=lambda s: -s.strength))


def rows(study: Study) -> list[dict[str, Any]]:
    """Return every vote as a line: who (a number), what, where, which; catch trials too."""
    asked = votes.everything(study)
    flagged = flagged_of(asked)
    return [
        {
            "participant": one.participant,
            "trial": one.number + 1,
            "kind": "catch" if one.trial.catch else "pair",
            "photograph": study.photographs[one.trial.photograph].name,
            "left": one.trial.left,
            "right": one.trial.right,
            "left_bytes": _bytes(study, one, one.trial.left),
            "right_bytes": _bytes(study, one, one.trial.right),
            "side": one.side,
            "chosen": one.chosen,
            "seconds": one.seconds,
            "flagged": int(one.participant in flagged),
        }
        for one in asked
        if one.side
    ]


def _bytes(study: Study, one: Asked, codec: str) -> int | None:
    shown = study.photographs[one.trial.photograph].shown.get(codec)
    return shown.bytes if shown else None


def export(study: Study, path: Path) -> int:
    """Write every vote into a CSV, and return how many there are; raises HfxError."""
    lines = rows(study)
    results.write(path, COLUMNS, lines)
    return len(lines)
