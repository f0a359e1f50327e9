"""What is written: a row a run, and means over seeds."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from experiments.ablations.variants import GROUPS
from hfx.results import write

WORDS = ("variant", "groups")
WHOLE = ("seed", "steps", "diverged")


@dataclass(frozen=True)
class Row:
    """One run; None is a measure that was not taken.

    Attributes:
        variant: Its name in `variants`.
        groups: The comparisons that it is part of.
        seed: Of crops, noise and first weights.
        steps: Of this run, without those of the run that it went on from.
        parameters: Of E and G.
        seconds: Spent on training.
        diverged: 1 if anything was not finite or the MSE doubled, see `measure.of_log`.
        rate: Bits per pixel of the last crops trained on.
        zeta: Mean rate weight of the second half.
        grad_median: Norm of the gradient before clipping.
        grad_peak: The largest.
        grad_peak_d: The largest of D's.
        judged: D's logit of photographs less that of reconstructions.
        bpp: Of whole photographs, estimated by the hyperprior; as trained.
        psnr: In dB; `lpips` is of AlexNet, `squeeze` LPIPS of SqueezeNet.
        bpp_tiles: The same pixels, in tiles of the training side; and so on.
        psnr_at: Whole photographs again, the quantiser moved until their rate is r_t; and so on.
        fid768_at: Sets of patches of these; also kid768_at.
        e_convs: How alive E's and G's blocks are, see
            `measure.convolved`; also g_convs.
    """

    variant: str
    groups: str
    seed: int
    steps: int
    diverged: int
    parameters: float
    seconds: float
    rate: float | None = None
    zeta: float | None = None
    grad_median: float | None = None
    grad_peak: float | None = None
    grad_peak_d: float | None = None
    judged: float | None = None
    bpp: float | None = None
    psnr: float | None = None
    lpips: float | None = None
    squeeze: float | None = None
    bpp_tiles: float | None = None
    psnr_tiles: float | None = None
    lpips_tiles: float | None = None
    squeeze_tiles: float | None = None
    psnr_at: float | None = None
    lpips_at: float | None = None
    squeeze_at: float | None = None
    fid768_at: float | None = None
    kid768_at: float | None = None
    e_convs: float | None = None
    g_convs: float | None = None


NAMES = [f.name for f in fields(Row)]
MEASURES = [name for name in NAMES if name not in (*WORDS, *WHOLE)]
SUMMARY = ["group", "variant", "n", "diverged", "steps"]
SUMMARY += [f"{name}{what}" for name in MEASURES for what in ("", "_std")]


def load(path: Path) -> list[Row]:
    """Read a CSV that `save` wrote; no rows where there is none."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [Row(**{k: _value(k, v) for k, v in row.items()}) for row in csv.DictReader(file)]


def _value(name: str, text: str) -> Any:  # noqa: ANN401
    if name in WORDS:
        return text
    if name in WHOLE:
        return int(text)
    return float(text) if text else None


def save(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows, and their summary beside them."""
    write(path, NAMES, [asdict(row) for row in rows])
    # of the rows as they are written, so that anyone can repeat it
    write(path.with_name(f"{path.stem}_summary.csv"), SUMMARY, summarise(load(path)))


def summarise(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return mean and standard deviation over seeds, a line a variant in each of its groups.

    Runs that diverged are counted, not averaged; a measure that a run lacks is left out of the
    mean. One run has no standard deviation.
    """
    lines = []
    for group in GROUPS:
        members = [row for row in rows if group in row.groups.split()]
        for variant in dict.fromkeys(row.variant for row in members):
            all_of = [row for row in members if row.variant == variant]
            good = [row for row in all_of if not row.diverged]
            line: dict[str, Any] = {
                "group": group, "variant": variant, "n": len(all_of),
                "diverged": len(all_of) - len(good), "steps": all_of[0].steps,
            }  # fmt: skip
            for name in MEASURES:
                values = [v for row in good if (v := getattr(row, name)) is not None]
                line[name] = mean(values) if values else None
                line[f"{name}_std"] = stdev(values) if len(values) > 1 else None
            lines.append(line)
    return lines
