"""The order in which symbols are coded, so that a few large batches see many neighbours.

Slice by slice of channels, and within a slice phase by phase over a pattern of places: when a
phase is coded, all earlier phases of its channels and all places of earlier slices are known.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PATTERNS: dict[str, list[list[int]]] = {
    "at once": [[0]],
    "checkerboard": [[0, 1], [1, 0]],
    "quarters": [[0, 2], [3, 1]],
}
"""Phase of every place, repeated over the picture."""


@dataclass(frozen=True)
class Plan:
    """Who is coded before whom, and what the XGBoost block of Figure 1 looks at.

    Attributes:
        window: Side of the square of neighbours, odd; the paper's is 7.
        pattern: Name of one of `PATTERNS`.
        first: Channels in the first slice.
        growth: Factor from the channels known to those known after the next slice, in percent.
        widest: Most channels in a slice: bounds memory.

    Raises:
        ValueError: a window, pattern or width that cannot be.
    """

    window: int = 7
    pattern: str = "quarters"
    first: int = 1
    growth: int = 200
    widest: int = 64

    def __post_init__(self) -> None:
        if self.window % 2 == 0 or not 1 <= self.window <= 15:
            raise ValueError(f"a window has an odd side from 1 to 15, not {self.window}")
        if self.pattern not in PATTERNS:
            raise ValueError(f"no pattern {self.pattern!r}; use one of {', '.join(PATTERNS)}")
        if self.first < 1 or self.growth <= 100 or self.widest < 1:
            raise ValueError("slices must hold at least one channel and grow")

    @property
    def phases(self) -> int:
        """Number of phases of the pattern."""
        return 1 + max(map(max, PATTERNS[self.pattern]))

    def slices(self, channels: int) -> list[slice]:
        """Cut channels into slices, in coding order."""
        edges = [0]
        while edges[-1] < channels:
            grown = max(self.first, edges[-1] * self.growth // 100)
            edges.append(min(channels, max(grown, edges[-1] + 1), edges[-1] + self.widest))
        return [slice(a, b) for a, b in zip(edges, edges[1:], strict=False)]

    def phase_of(self, height: int, width: int) -> NDArray[np.int64]:
        """Return the phase of every place, (height, width)."""
        pattern = np.array(PATTERNS[self.pattern])
        rows, columns = np.arange(height) % len(pattern), np.arange(width) % len(pattern)
        return pattern[rows[:, None], columns]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)
