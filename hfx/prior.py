r"""What the coder expects of every symbol, in integers: the exact side of the hyperprior.

    z symbols -> (/ gain) -> h_s in fixed point -> mu, t -> (* gain) -> mu, table index

Nothing here is a floating-point number that could round differently on another machine; see
`hfx.entropy.fixedpoint`. Gains follow the quality level.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hfx.entropy import fixedpoint
from hfx.entropy.fixedpoint import ACT_BITS, LOG2_BITS, FixedConv
from hfx.entropy.pmf import Tables
from hfx.entropy.scales import SCALES
from hfx.tiles import Span, each, grid, times

GAIN_BITS = 20  # fractional bits of a gain: the weakest gains stay fine enough
# round(2^20 ln 2 / STEP): table entries per octave. A literal, because STEP is a float.
ENTRIES_PER_OCTAVE = 5_906_454
# z beyond a tile that h_s can see: the 3x3 reaches 1 y-row, each 5x5 upsampling ceil((r + 2) / 2).
HALO = 2


@dataclass(frozen=True, eq=False)
class Prior:
    """p(z) and p(y | z), the P of the paper's section 3.1, in integer tables and arithmetic.

    Attributes:
        mean: h_s for mu, as exact layers.
        scale: h_s for t.
        log2_gain: (T, C_y) per tier, in units of 2^-16.
        log2_gain_z: (T, C_z).
        z_index: (C_z,) scale-table entries of z at gain 1, in units of 2^-ACT_BITS.
        tables_y: Gaussian tables.
        tables_z: Logistic tables.

    Raises:
        ValueError: the parts do not fit together.
    """

    mean: list[FixedConv]
    scale: list[FixedConv]
    log2_gain: NDArray[np.int64]
    log2_gain_z: NDArray[np.int64]
    z_index: NDArray[np.int64]
    tables_y: Tables
    tables_z: Tables

    def __post_init__(self) -> None:
        (tiers, c_y), (tiers_z, c_z) = self.log2_gain.shape, self.log2_gain_z.shape
        if tiers != tiers_z or self.z_index.shape != (c_z,):
            raise ValueError("prior: gains and indices are of different models")
        if len(self.tables_y) != SCALES or len(self.tables_z) != SCALES:
            raise ValueError(f"prior: {SCALES} tables are needed of each kind")
        for stack in (self.mean, self.scale):
            if not stack or len(stack[0].weight) != c_z or len(stack[-1].bias) != c_y:
                raise ValueError("prior: h_s does not lead from z to y")

    def gain(self, level: int) -> NDArray[np.int64]:
        """Return y's gains at a quality level, (C_y,), in units of 2^-GAIN_BITS."""
        return fixedpoint.exp2_fixed(fixedpoint.interpolate_log2(self.log2_gain, level), GAIN_BITS)

    def gain_z(self, level: int) -> NDArray[np.int64]:
        """Return z's gains at a quality level, (C_z,), in units of 2^-GAIN_BITS."""
        return fixedpoint.exp2_fixed(
            fixedpoint.interpolate_log2(self.log2_gain_z, level), GAIN_BITS
        )

    def expect_z(self, level: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the table of every z symbol, (C_z, *shape)."""
        moved = self.z_index + entries(fixedpoint.interpolate_log2(self.log2_gain_z, level))
        return np.broadcast_to(to_index(moved)[:, None, None], (len(moved), *shape))

    def expect_y(
        self, z: NDArray[np.int32], level: int, tile: int = 32
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """Return mean and table of every y symbol; computed in tiles of z to bound memory.

        Shapes: z (C_z, h/4, w/4) symbols to mu (C_y, h, w), in units of 2^-ACT_BITS symbols, and
        index (C_y, h, w).
        """
        log2 = fixedpoint.interpolate_log2(self.log2_gain, level)
        gain = self.gain(level)[:, None, None]
        shift = entries(log2)[:, None, None]
        back = fixedpoint.exp2_fixed(
            -fixedpoint.interpolate_log2(self.log2_gain_z, level), GAIN_BITS
        )[:, None, None]
        z_hat = shift_right(z * back, GAIN_BITS - ACT_BITS)  # (C_z, h/4, w/4), normalised

        c, (h, w) = len(gain), z.shape[1:]
        mu = np.empty((c, 4 * h, 4 * w), np.int32)
        index = np.empty((c, 4 * h, 4 * w), np.uint8)

        def work(rows: Span, columns: Span) -> None:
            act = torch.from_numpy(z_hat[None, :, rows.seen, columns.seen].astype(np.float64))
            inside = (0, slice(None), times(rows.inside, 4), times(columns.inside, 4))
            core = (slice(None), times(rows.core, 4), times(columns.core, 4))
            m = fixedpoint.run(self.mean, act)[inside].numpy().astype(np.int64)
            mu[core] = shift_right(m * gain, GAIN_BITS)
            t = fixedpoint.run(self.scale, act)[inside].numpy().astype(np.int64)
            index[core] = to_index(t + shift)

        pieces = grid(h, w, tile, HALO, torch.get_num_threads())
        if len(pieces) == 1:  # exact however many threads share it
            work(*pieces[0])
        else:
            each(pieces, work)
        return mu, index

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Name every array for a safetensors file."""
        arrays: dict[str, NDArray[np.generic]] = {
            "log2_gain": self.log2_gain.astype(np.int32),
            "log2_gain_z": self.log2_gain_z.astype(np.int32),
            "z_index": self.z_index.astype(np.int32),
        }
        parts = {
            "mean": fixedpoint.to_arrays(self.mean),
            "scale": fixedpoint.to_arrays(self.scale),
            "tables_y": self.tables_y.to_arrays(),
            "tables_z": self.tables_z.to_arrays(),
        }
        for part, values in parts.items():
            for name, array in values.items():
                small = name.endswith(".weight")  # 16 bits by construction
                arrays[f"{part}.{name}"] = array.astype(np.int16) if small else array
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> "Prior":
        """Rebuild from `to_arrays`; raises KeyError or ValueError on arrays that do not fit."""

        def part(name: str) -> dict[str, NDArray[np.int32]]:
            own = {k: v for k, v in arrays.items() if k.startswith(name + ".")}
            return {k[len(name) + 1 :]: v.astype(np.int32) for k, v in own.items()}

        return cls(
            mean=fixedpoint.from_arrays(part("mean")),
            scale=fixedpoint.from_arrays(part("scale")),
            log2_gain=arrays["log2_gain"].astype(np.int64),
            log2_gain_z=arrays["log2_gain_z"].astype(np.int64),
            z_index=arrays["z_index"].astype(np.int64),
            tables_y=Tables.from_arrays(part("tables_y")),
            tables_z=Tables.from_arrays(part("tables_z")),
        )

    def fingerprint(self) -> bytes:
        """Return 8 bytes that change when any integer here does: which weights wrote a file.

        G is not part of it: a better generator may decode the files of the one before.
        """
        sha = hashlib.sha256()
        for name, array in sorted(self.to_arrays().items()):
            wide = np.ascontiguousarray(array.astype("<i8"))
            sha.update(f"{name}{wide.shape}".encode() + wide.tobytes())
        return sha.digest()[:8]


def entries(log2: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn log2 gains (2^-16) into moves along the scale table (2^-ACT_BITS entries)."""
    return shift_right(log2 * ENTRIES_PER_OCTAVE, LOG2_BITS + 20 - ACT_BITS)


def to_index(t: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Round table positions (2^-ACT_BITS entries) to entries of the table."""
    return shift_right(t, ACT_BITS).clip(0, SCALES - 1).astype(np.uint8)


def shift_right(values: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """Divide by 2^bits and round to nearest, halves up: exact in integers."""
    return (values + (1 << (bits - 1))) >> bits
