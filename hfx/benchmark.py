"""Ours against classical codecs at equal bytes, picture by picture: the numbers behind claims.

For every picture and tier: our file, decoded and measured, then of each classical codec the
largest file that is not larger. Where none is within 3 % of ours, the row says so; a codec whose
smallest file is larger than ours takes part with that one.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from hfx.bench import Done, Step, Tell, model_of, over, row_of, silent
from hfx.classical import CODECS, Classical, Ladder, decode
from hfx.codec import Codec
from hfx.errors import HfxError
from hfx.evaluate import Wish, missing, ours, warm
from hfx.panel import Pixels
from hfx.results import Row
from hfx.stopwatch import spent

SWEEP = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)  # our qualities


def run(
    codec: Codec,
    pictures: dict[str, Path],
    path: Path,
    *,
    sweep: bool = False,
    tell: Tell = silent,
    step: Step = silent,
) -> list[Row]:
    """Measure what the CSV does not hold yet, writing it after every picture.

    Args:
        codec: Ours.
        pictures: Paths by name.
        path: The CSV.
        sweep: Also measure every codec over a fixed series of settings, for curves.
        tell: Receives a line for everything left out, with its reason, once.
        step: Called after each picture.

    Raises:
        HfxError: the CSV cannot be read or written.
    """
    model, codecs = model_of(codec), installed(tell)
    wishes = [Wish(tier) for tier in codec.weights.arch.tiers]
    if sweep:
        wishes += [Wish(quality=quality) for quality in SWEEP]
    warm(codec)

    def work(name: str, rgb: Pixels, done: Done) -> Iterator[Row]:
        sizes = {row.tier: row.bytes for row in done.values() if row.key[:2] == (name, "hfx")}
        for row in ours(codec, name, rgb, missing(wishes, name, done), model):
            sizes[row.tier] = row.bytes
            yield row
        bounds = {tier: size for tier, size in sizes.items() if tier}
        for classical in codecs:
            try:
                yield from theirs(classical, name, rgb, bounds, sweep, done, model)
            except HfxError as error:
                tell(f"{name}: {error}")

    return over(pictures, path, model, work, tell, step)


def installed(tell: Tell = silent) -> list[Classical]:
    """Return the classical codecs that there are here, and tell why others are left out."""
    found = []
    for classical in CODECS:
        if reason := classical.missing():
            tell(f"{classical.name} is left out: {reason}")
        else:
            found.append(classical)
    return found


def theirs(
    classical: Classical,
    name: str,
    rgb: Pixels,
    bounds: dict[str, int],
    sweep: bool,
    done: Done,
    model: str,
) -> Iterator[Row]:
    """Yield the rows of one picture and classical codec that are not done.

    Args:
        classical: The codec.
        name: The picture's.
        rgb: The picture.
        bounds: Bytes of our files by tier.
        sweep: Also take the codec's fixed series of settings.
        done: Finished rows.
        model: Digest of our weights, whose bytes are matched.

    Raises:
        HfxError: the codec cannot encode the picture.
    """
    ladder = Ladder(classical, rgb)

    def row(rung: int, tier: str = "", bound: int | None = None) -> Row:
        made = spent(partial(classical.encode, rgb, rung))  # once more, warm and watched
        seen = spent(partial(decode, made.result))
        setting = classical.describe(rung)
        return row_of(name, classical.name, setting, tier, rgb, made, seen, model, bound)

    for tier, bound in bounds.items():
        if (name, classical.name, tier) not in done:
            rung = ladder.largest_within(bound)
            yield row(0 if rung is None else rung, tier, bound)
    for rung in classical.sweep() if sweep else ():
        if (name, classical.name, classical.describe(rung)) not in done:
            yield row(rung)
