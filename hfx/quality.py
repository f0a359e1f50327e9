"""One dial: a tier, a quality, or a size becomes a level, in 1/256 of a tier."""

import math
from collections.abc import Callable

from hfx.entropy.fixedpoint import LEVELS
from hfx.errors import HfxError

FIRST, APART = 20.0, 30.0  # qualities of the tiers: low 20, medium 50, high 80
WORST, BEST = 0.0, 100.0
TRIES = 3  # refined files made in search of a size


def level_of(
    tiers: tuple[str, ...],
    tier: str | None = None,
    quality: float | None = None,
    target_bpp: float | None = None,
    target_bytes: int | None = None,
) -> int | None:
    """Return the level a user asked for, medium by default; None where a size has to be searched.

    Raises:
        HfxError: more than one wish, an unknown tier, or a number out of range.
    """
    wishes = [w for w in (tier, quality, target_bpp, target_bytes) if w is not None]
    if len(wishes) > 1:
        raise HfxError("choose one of tier, quality, target-bpp and target-bytes")
    if target_bpp is not None or target_bytes is not None:
        if not 0 < wishes[0] < math.inf:  # type: ignore[operator]
            raise HfxError("a target size must be greater than 0 and finite")
        return None
    if quality is not None:
        if not WORST <= quality <= BEST:
            raise HfxError(f"quality goes from {WORST:g} to {BEST:g}, not {quality:g}")
        return level_of_quality(quality) if len(tiers) > 1 else 0
    name = tier if tier is not None else "medium" if "medium" in tiers else tiers[0]
    if name not in tiers:
        raise HfxError(f"no tier {name!r}; these weights have {', '.join(tiers)}")
    return tiers.index(name) * LEVELS


def possible(level: int) -> bool:
    """Say whether a level is one of those that qualities of 0 to 100 stand for."""
    return level_of_quality(WORST) <= level <= level_of_quality(BEST)


def level_of_quality(quality: float) -> int:
    """Place a quality of 0 to 100 between (and a little beyond) the tiers."""
    return round((quality - FIRST) / APART * LEVELS)


def quality_of_level(level: int) -> float:
    """Return the quality that stands for a level."""
    return FIRST + APART * level / LEVELS


def search(encode: Callable[[int], bytes], bound: int, never_above: bool) -> bytes:
    """Find the file whose size comes nearest to `bound` bytes, by bisection over the levels.

    Args:
        encode: Makes the file of a level; larger levels give larger files.
        bound: Bytes wanted.
        never_above: Take the largest file of at most `bound` bytes instead of the nearest.

    Raises:
        HfxError: the smallest file is larger than asked, or the largest far smaller.
    """
    worst, best = level_of_quality(WORST), level_of_quality(BEST)
    below, above = encode(worst), encode(best)
    if len(below) > bound * (1 if never_above else 1.03):
        raise HfxError(f"the smallest file of this picture has {len(below)} bytes, over {bound}")
    if len(above) <= bound:
        if not never_above and len(above) < 0.97 * bound:
            raise HfxError(f"the largest file of this picture has {len(above)} bytes of {bound}")
        return above
    while best - worst > 1:
        middle = (worst + best) // 2
        data = encode(middle)
        if len(data) <= bound:
            worst, below = middle, data
        else:
            best, above = middle, data
    if never_above or bound - len(below) <= len(above) - bound:
        return below
    return above


def search_twice(
    encode: Callable[[int], bytes], refine: Callable[[int], bytes], bound: int, never_above: bool
) -> bytes:
    """Search like `search` for a file that takes long to make, and so make few of them.

    A level is found with quick files; the next search aims as far beside the bound as the refined
    file of that level came out. Where no refined file will do, the quick one is returned.

    Args:
        encode: Makes the quick file of a level.
        refine: Makes the refined file of a level, of about the same size.
        bound: Bytes wanted.
        never_above: Take the largest file of at most `bound` bytes instead of the nearest.

    Raises:
        HfxError: as `search`, for the quick files.
    """
    made: dict[int, bytes] = {}

    def quick(level: int) -> bytes:
        return made.setdefault(level, made.get(level) or encode(level))

    found, aim, tried = search(quick, bound, never_above), float(bound), dict[int, bytes]()
    most = bound if never_above else round(1.03 * bound)
    for _ in range(TRIES):
        try:
            nearest = search(quick, round(aim), never_above=True)
        except HfxError:  # beyond the dial's end
            break
        level = next(at for at, data in made.items() if data is nearest)
        if level in tried:
            break
        size = len(tried.setdefault(level, refine(level)))
        if 0.99 * bound <= size <= bound:
            break
        aim *= (0.998 if never_above else 1) * bound / size
    fits = [data for data in tried.values() if 0.97 * bound <= len(data) <= most]
    return min(fits, key=lambda data: abs(bound - len(data)), default=found)
