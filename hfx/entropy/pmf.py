r"""Probabilities become integers here and nowhere else.

A table codes the symbols -L..L and one escape. Its row of integer frequencies sums to
2^PRECISION; at coding time the probability of a slot *is* frequency / 2^PRECISION.

Why two machines cannot disagree
--------------------------------
Tables are built once, at export, and stored with the weights as integers, so a libm that rounds
`erfc` otherwise changes nothing afterwards. What is left is the hand-over to constriction, whose
Python interface takes floating-point probabilities p_0..p_{n-1} and, with `perfect=False`, uses
the integer CDF

    left_i = floor((p_0 + ... + p_{i-1}) * scale) + i
    scale  = (2^24 - n) / (p_0 + ... + p_{n-1})

`Tables.leaky` hands over p_i = f_i - 1 as float64. With sum f_i = 2^24 the p_i sum to 2^24 - n, so
scale is exactly 1, every partial sum is an integer below 2^24 (exact in any order of summation),
and left_i = (f_0 - 1) + ... + (f_{i-1} - 1) + i = f_0 + ... + f_{i-1}: constriction's CDF is ours,
one to one. IEEE 754 requires a correctly rounded quotient of equal numbers to be 1 and sums of
small integers to be exact, so there is no rounding left that could differ. A test reads the CDF
back out of the decoder, boundary by boundary.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

PRECISION = 24  # bits; fixed by constriction's Python interface
TAIL_MASS = 2.0**-20  # probability left to the escape, where MAX_HALF allows
MAX_HALF = 2047  # largest L: bounds a row to 4096 slots

Family = Literal["gaussian", "logistic"]


@dataclass(frozen=True, eq=False)
class Tables:
    """Integer frequency tables, one row a scale: slots are the symbols -L..L, then the escape.

    Shapes:
        frequencies: (n_tables, 2 max(L) + 2), int32, rows padded with 0, each summing to 2^24.
        half: (n_tables,), int32, L of each row.

    Raises:
        ValueError: a shape, a frequency below 1 inside a row, or a sum is wrong.
    """

    frequencies: NDArray[np.int32]
    half: NDArray[np.int32]
    precision: int = PRECISION

    def __post_init__(self) -> None:
        f, half = self.frequencies, self.half
        if f.ndim != 2 or half.shape != f.shape[:1] or self.precision != PRECISION:
            raise ValueError("tables: frequencies must be (n, width), half (n,), precision 24")
        if not 1 <= len(half) <= 256 or half.min() < 0 or 2 * int(half.max()) + 2 != f.shape[1]:
            raise ValueError("tables: 1 to 256 rows, as wide as the largest support needs")
        used = np.arange(f.shape[1]) < 2 * half[:, None] + 2
        if (f[used] < 1).any() or f[~used].any():
            raise ValueError("tables: frequencies must be positive in a row, 0 in its padding")
        if (f.sum(1, dtype=np.int64) != 1 << self.precision).any():
            raise ValueError("tables: frequencies must sum to 2^24")

    def __len__(self) -> int:
        return len(self.half)

    def leaky(self, row: int) -> NDArray[np.float64]:
        """f - 1 of one row, (2L + 2,): the input from which constriction rebuilds exactly f."""
        return (self.frequencies[row, : 2 * self.half[row] + 2] - 1).astype(np.float64)

    def bits(
        self, symbols: NDArray[np.integer], index: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        r"""True cost of each symbol, escapes with their payload.

        .. math:: bits = 24 - \log_2 f_{slot} + 8 \cdot bytes(escape)

        Shapes:
            symbols, index: any, equal. Returns the same shape, bits.
        """
        s, half = symbols.astype(np.int64), self.half[index].astype(np.int64)
        escaped = np.abs(s) > half
        slot = np.where(escaped, 2 * half + 1, s + half)
        payload = np.where(escaped, escape_sizes(escape_codes(s, half)), 0)
        return self.precision - np.log2(self.frequencies[index, slot]) + 8.0 * payload

    def to_arrays(self) -> dict[str, NDArray[np.int32]]:
        """Without padding, for a safetensors file: `frequencies` (total slots,), `half` (n,)."""
        used = self.frequencies > 0
        return {"frequencies": self.frequencies[used], "half": self.half}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.int32]]) -> "Tables":
        """Inverse of `to_arrays`. Raises ValueError if the arrays are not valid tables."""
        flat, half = np.asarray(arrays["frequencies"]), np.asarray(arrays["half"])
        if half.ndim != 1 or not len(half) or half.min() < 0 or half.max() > MAX_HALF:
            raise ValueError(f"tables: half must be (n,), each from 0 to {MAX_HALF}")
        used = np.arange(2 * int(half.max()) + 2) < 2 * half[:, None] + 2
        if flat.shape != (used.sum(),):
            raise ValueError(f"tables: expected {used.sum()} frequencies, got {flat.shape}")
        frequencies = np.zeros(used.shape, np.int32)
        frequencies[used] = flat
        return cls(frequencies, half.astype(np.int32))


def build_tables(family: Family, scales: NDArray[np.float64]) -> Tables:
    r"""Integer tables of a discretised zero-mean law, one row a scale. At export only.

    .. math:: p_k = F((k + 1/2) / \sigma) - F((k - 1/2) / \sigma), \quad p_{esc} = 1 - \sum_k p_k

    L is the smallest support with p_esc < 2^-20, at most 2047.

    Shapes:
        scales: (n,), float64, positive, in symbol steps.

    Raises:
        ValueError: unknown family, or scales that are not positive.
    """
    if family not in _SURVIVAL:
        raise ValueError(f"family must be one of {sorted(_SURVIVAL)}, got {family!r}")
    if scales.ndim != 1 or not len(scales) or not (scales > 0).all():
        raise ValueError("scales must be a non-empty row of positive numbers")
    rows = [_integer_row(_masses(_SURVIVAL[family], float(scale))) for scale in scales]
    frequencies = np.zeros((len(rows), max(map(len, rows))), np.int32)
    for out, row in zip(frequencies, rows, strict=True):
        out[: len(row)] = row
    return Tables(frequencies, np.array([len(row) // 2 - 1 for row in rows], np.int32))


# Survival functions 1 - F: differences of small upper tails keep their relative accuracy, where
# differences of F near 1 would not.
_SURVIVAL: dict[str, Callable[[float], float]] = {
    "gaussian": lambda x: 0.5 * math.erfc(x * math.sqrt(0.5)),
    "logistic": lambda x: math.exp(-x) / (1 + math.exp(-x)),
}


def _masses(survival: Callable[[float], float], scale: float) -> NDArray[np.float64]:
    """Probabilities of -L..L and of the escape, (2L + 2,)."""
    edges = [survival(0.5 / scale)]  # edges[k] is the mass above k + 1/2
    while 2 * edges[-1] >= TAIL_MASS and len(edges) <= MAX_HALF or len(edges) < 2:
        edges.append(survival((len(edges) + 0.5) / scale))
    upper = -np.diff(edges)
    return np.concatenate([upper[::-1], [1 - 2 * edges[0]], upper, [2 * edges[-1]]])


def _integer_row(masses: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round to frequencies >= 1 that sum to 2^24: one each, the rest by largest remainder."""
    share = masses / masses.sum() * ((1 << PRECISION) - len(masses))
    frequencies = np.floor(share).astype(np.int64)
    missing = (1 << PRECISION) - len(masses) - int(frequencies.sum())
    frequencies[np.argsort(frequencies - share, kind="stable")[:missing]] += 1
    return frequencies + 1


def escape_codes(symbols: NDArray[np.int64], half: NDArray[np.int64]) -> NDArray[np.int64]:
    """Fold what lies outside -L..L onto 0, 1, 2, ...: distance beyond L, lowest bit the sign."""
    return (np.abs(symbols) - half - 1) * 2 + (symbols < 0)


def escape_sizes(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bytes of each code as a little-endian base-128 number (LEB128): 1 to 5."""
    return np.searchsorted(1 << np.arange(7, 35, 7, dtype=np.int64), codes, side="right") + 1
