"""Do people see the same? How often two of them gave the same answer to the same comparison."""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Agreement:
    """Agreement over all twos of participants who answered the same comparison.

    Attributes:
        twos: How many such twos there are.
        same: How many of them chose the same codec.
    """

    twos: int
    same: int

    @property
    def share(self) -> float | None:
        """Share of twos that agree; by coin, one half. None where no two can be compared."""
        return self.same / self.twos if self.twos else None

    @property
    def beyond_chance(self) -> float | None:
        """Return 2 share - 1: 0 by coin, 1 where all agree.

        This is the coefficient of Bennett, Alpert and Goldstein (1954) for two answers. Kappa
        and alpha take chance from how often each answer was given; here which codec is called
        the first is arbitrary, so chance is one half.
        """
        return None if self.share is None else 2 * self.share - 1


def agreement(answers: Iterable[tuple[Hashable, str]]) -> Agreement:
    """Count who agrees.

    Args:
        answers: (what was compared, which codec was chosen), one for each participant and
            comparison.
    """
    given: dict[Hashable, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for comparison, chosen in answers:
        given[comparison][chosen] += 1
    twos = same = 0
    for choices in given.values():
        n = sum(choices.values())
        twos += n * (n - 1) // 2
        same += sum(m * (m - 1) // 2 for m in choices.values())
    return Agreement(twos, same)
