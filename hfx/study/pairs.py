"""Who is asked what: comparisons drawn so that each is asked equally often, sides at random."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import NamedTuple

from hfx.study.manifest import CATCH, ORIGINAL, Study

LEFT, RIGHT = "left", "right"
_TRIES = 20  # orders to choose from


class Comparison(NamedTuple):
    """Two codecs on one photograph, in the order of the study's list."""

    photograph: int
    first: str
    second: str


@dataclass(frozen=True)
class Trial:
    """What a participant is shown at once.

    Attributes:
        photograph: Its place in the study.
        left: The codec of the left picture.
        right: The codec of the right picture.
    """

    photograph: int
    left: str
    right: str

    @property
    def catch(self) -> bool:
        """Whether this is a catch trial: one picture is the original, the other is plainly not."""
        return CATCH in (self.left, self.right)

    @property
    def answer(self) -> str:
        """Where the original is, in a catch trial."""
        return LEFT if self.left == ORIGINAL else RIGHT


def comparisons(study: Study) -> list[Comparison]:
    """Return all that can be asked: every two codecs on every photograph that has both."""
    return [
        Comparison(i, first, second)
        for i, photograph in enumerate(study.photographs)
        for first, second in combinations([c for c in study.codecs if c in photograph.shown], 2)
    ]


def comparison_of(study: Study, trial: Trial) -> Comparison:
    """Return what a trial asks, whichever side is which."""
    first, second = sorted((trial.left, trial.right), key=study.codecs.index)
    return Comparison(trial.photograph, first, second)


def draw(study: Study, asked: Sequence[Trial], chance: random.Random) -> list[Trial]:
    """Draw the trials of one more participant.

    Comparisons that were asked least come first, so that over all participants their numbers
    differ by one at most; among equals those are taken whose photograph and whose codecs this
    participant has seen least, then chance decides. The codec that was on the left less often
    goes there. Catch trials have the original on either side equally often.

    Args:
        study: What can be asked.
        asked: All trials given to others.
        chance: Decides what nothing else does.
    """
    before = [trial for trial in asked if not trial.catch]
    times = Counter(comparison_of(study, trial) for trial in before)
    lefts = Counter((comparison_of(study, trial), trial.left) for trial in before)
    pool, seen = comparisons(study), Counter[object]()
    chance.shuffle(pool)
    trials = []
    for _ in range(min(study.pairs, len(pool))):
        chosen = min(pool, key=lambda c: (times[c], seen[c.photograph] + seen[c[1:]]))
        pool.remove(chosen)
        seen.update((chosen.photograph, chosen[1:]))
        sides = [chosen.first, chosen.second]
        chance.shuffle(sides)
        sides.sort(key=lambda codec: lefts[chosen, codec])  # stable: equals stay shuffled
        trials.append(Trial(chosen.photograph, *sides))
    return _in_order(trials, _catches(study, chance), chance)


def _catches(study: Study, chance: random.Random) -> list[Trial]:
    """Draw catch trials: photographs in turn, the original on alternate sides."""
    photographs = list(range(len(study.photographs)))
    chance.shuffle(photographs)
    swap = chance.random() < 0.5
    trials = []
    for i in range(study.catches):
        sides = (ORIGINAL, CATCH) if swap == bool(i % 2) else (CATCH, ORIGINAL)
        trials.append(Trial(photographs[i % len(photographs)], *sides))
    return trials


def _in_order(pairs: list[Trial], catches: list[Trial], chance: random.Random) -> list[Trial]:
    """Mix trials, the first one being a true pair, with few photographs twice in a row."""

    def mixed() -> list[Trial]:
        first, *rest = chance.sample(pairs, len(pairs))
        rest += catches
        return [first, *chance.sample(rest, len(rest))]

    def repeats(trials: list[Trial]) -> int:
        return sum(a.photograph == b.photograph for a, b in pairwise(trials))

    return min((mixed() for _ in range(_TRIES)), key=repeats)
