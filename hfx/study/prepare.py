"""Make all that a study shows, once, so that voting codes nothing.

For every photograph: our file of a tier, whose bytes are the budget, then of each classical codec
the largest file that is not larger. Bytes are matched photograph by photograph, not on average.
"""

import io
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from hfx import image
from hfx.classical import CODECS, Classical, Ladder, decode
from hfx.codec import Codec
from hfx.errors import HfxError
from hfx.files import atomic_write
from hfx.image import Source
from hfx.study import manifest, votes
from hfx.study.manifest import ORIGINAL, Photograph, Shown, Study
from hfx.study.pairs import comparisons

OURS = "hfx"  # at the realism that the weights prefer; at another it is "hfx realism 0.5"
AT = "hfx realism "
CLASSICAL = {codec.name: codec for codec in CODECS}
SIDE = 512  # pixels: two fit beside each other on most screens, each pixel one of the screen's
_LEAST = 64  # pixels; in less there is nothing to see
_CATCH_RUNG = 0  # JPEG's quality 1: blocks that nobody overlooks

Pixels = np.ndarray


@dataclass(frozen=True)
class Setup:
    """What an instructor decides.

    Attributes:
        title: What the study is called.
        codecs: Who competes: OURS, AT with a number, names of CLASSICAL, and the ORIGINAL where
            likeness to any real photograph is judged rather than likeness to this one.
        tier: Which of our tiers sets the budget of bytes.
        pairs: Blind pairs a participant.
        catches: Catch trials a participant.
        reference: Whether participants may look at the original.
        side: Of the part of each photograph that is shown, its middle, in pixels.
    """

    title: str = "Which is real?"
    codecs: tuple[str, ...] = (OURS, "JPEG", "WebP", "AVIF", "JPEG XL", "JPEG 2000")
    tier: str = "medium"
    pairs: int = 10
    catches: int = 2
    reference: bool = False
    side: int = SIDE


def possible_codecs(codec: Codec, reference: bool = False) -> dict[str, str | None]:
    """Return whom a study can have compete, each with why not where it cannot.

    Where the weights have a second generator, realism may be any number from 0 to 1; three are
    named here.
    """
    found: dict[str, str | None] = {OURS: None}
    if codec.dial.second is not None:
        found |= {f"{AT}{r:g}": None for r in (0, 0.5, 1) if r != codec.dial.default}
    found |= {name: classical.missing() for name, classical in CLASSICAL.items()}
    return found if reference else {**found, ORIGINAL: None}


def realism_of(name: str, codec: Codec) -> float | None:
    """Return the realism at which one of ours competes; None for a codec that is not ours.

    Raises:
        HfxError: it is no number, or one that these weights cannot give.
    """
    if name == OURS:
        return codec.dial.default
    if not name.startswith(AT):
        return None
    try:
        realism = float(name.removeprefix(AT))
    except ValueError as error:
        raise HfxError(f"{name!r} has no number for its realism; write {AT}0.5") from error
    codec.dial.at(realism)
    return realism


def prepare(
    pictures: Mapping[str, Source],
    setup: Setup,
    codec: Codec,
    folder: Path,
    *,
    code: str | None = None,
    tell: Callable[[str], None] = lambda line: None,
    step: Callable[[], None] = lambda: None,
    turn: AbstractContextManager[object] | None = None,
) -> Study:
    """Make a study in a new folder; where that fails, the folder is gone again.

    Args:
        pictures: Photographs by name.
        setup: What is to be shown.
        codec: Ours.
        folder: Must not exist, or be empty.
        code: What participants are to type; by default a new one.
        tell: Receives a line for everything left out, with its reason.
        step: Called after each photograph; what it raises ends the work.
        turn: Entered for each photograph, so that heavy work of others can come between.

    Raises:
        HfxError: the setup makes no study, or the folder cannot be written.
    """
    check(setup, codec)
    with _fresh(folder):
        photographs = []
        for name, source in pictures.items():
            with turn or nullcontext():
                try:
                    photographs.append(_photograph(name, source, setup, codec, folder, tell))
                except HfxError as error:
                    tell(f"{name} is left out: {error}")
            step()
        study = Study(
            code=code or manifest.new_code(),
            title=setup.title,
            tier=setup.tier,
            codecs=setup.codecs,
            pairs=setup.pairs,
            catches=setup.catches,
            reference=setup.reference,
            model=codec.weights.fingerprint.hex(),
            photographs=tuple(photographs),
            folder=folder,
        )
        _check_pool(study)
        votes.create(study.votes)
        manifest.write(study)
    return study


def check(setup: Setup, codec: Codec) -> None:
    """Refuse a setup that makes no study; raises HfxError with what to change."""
    known, tiers = possible_codecs(codec, setup.reference), codec.weights.arch.tiers
    seen = set[object]()
    for name in setup.codecs:
        realism = realism_of(name, codec)
        if name == ORIGINAL and setup.reference:
            raise HfxError("the original cannot compete and be looked at too; choose one")
        if realism is None and name not in known:
            raise HfxError(f"no codec {name!r}; use some of {', '.join(known)}")
        if reason := known.get(name):
            raise HfxError(f"{name} is not available: {reason}")
        seen.add(name if realism is None else realism)
    if len(seen) != len(setup.codecs) or len(seen) < 2:
        raise HfxError("two different codecs or more must compete, and none twice")
    if setup.tier not in tiers:
        raise HfxError(f"no tier {setup.tier!r}; these weights have {', '.join(tiers)}")
    if setup.pairs < 1 or setup.catches < 0:
        raise HfxError("a participant needs one pair at least")
    if setup.side < _LEAST:
        raise HfxError(f"show {_LEAST} pixels or more of each photograph")


def _check_pool(study: Study) -> None:
    """Refuse a study with fewer comparisons than a participant is to see, or an idle codec."""
    pool = comparisons(study)
    if not pool:
        raise HfxError("no photograph is left; give others")
    for name in study.codecs:
        if not any(name in comparison for comparison in pool):
            raise HfxError(
                f"{name} has no file within our bytes for any photograph; leave it out or take a "
                "higher tier"
            )
    if len(pool) < study.pairs:
        raise HfxError(
            f"only {len(pool)} different pairs can be shown, not {study.pairs}; ask for fewer, or "
            "give more photographs or codecs"
        )


def _photograph(
    name: str,
    source: Source,
    setup: Setup,
    codec: Codec,
    folder: Path,
    tell: Callable[[str], None],
) -> Photograph:
    """Code a photograph with every codec, and write the part of it that is shown."""
    rgb = image.load(source).rgb
    part = middle(rgb, setup.side)
    if min(part.shape[:2]) < _LEAST:
        raise HfxError(f"it has fewer than {_LEAST} pixels a side")
    ours = codec.compress(rgb, setup.tier)
    shown = {}
    for competitor in setup.codecs:
        if competitor == ORIGINAL:
            continue
        realism = realism_of(competitor, codec)
        if realism is not None:
            data, setting = ours, f"tier {setup.tier}, realism {realism:g}"
            x_hat = np.asarray(codec.decompress(ours, realism=realism))
        else:
            try:
                data, setting = within(CLASSICAL[competitor], rgb, len(ours))
            except HfxError as error:
                tell(f"{name}: {competitor} is left out: {error}")
                continue
            x_hat = decode(data)
        file = _png(folder, middle(x_hat, setup.side))
        shown[competitor] = Shown(file, len(data), setting)
    original = _png(folder, part)
    if ORIGINAL in setup.codecs:
        shown[ORIGINAL] = Shown(original, None, "nothing lost")
    if len(shown) < 2:
        raise HfxError("fewer than two codecs have a file within our bytes")
    return Photograph(
        name=name,
        width=part.shape[1],
        height=part.shape[0],
        budget=len(ours),
        original=original,
        catch=_png(folder, decode(CLASSICAL["JPEG"].encode(part, _CATCH_RUNG))),
        shown=shown,
    )


def within(classical: Classical, rgb: Pixels, budget: int) -> tuple[bytes, str]:
    """Return a codec's largest file of at most `budget` bytes, and its setting.

    Raises:
        HfxError: its smallest file is larger, or it cannot code the picture.
    """
    ladder = Ladder(classical, rgb)
    rung = ladder.largest_within(budget)
    if rung is None:
        raise HfxError(f"its smallest file has {len(ladder.at(0)[0])} bytes, ours {budget}")
    return ladder.at(rung)[0], classical.describe(rung)


def middle(rgb: Pixels, side: int) -> Pixels:
    """Cut the middle of a picture, at most `side` pixels wide and high, unscaled."""
    height, width = (min(side, n) for n in rgb.shape[:2])
    top, left = (rgb.shape[0] - height) // 2, (rgb.shape[1] - width) // 2
    return rgb[top : top + height, left : left + width]


def _png(folder: Path, rgb: Pixels) -> str:
    """Write a picture under a name that says nothing of it."""
    name = f"{secrets.token_hex(8)}.png"
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(out, format="PNG")
    atomic_write(folder / name, out.getvalue())
    return name


@contextmanager
def _fresh(folder: Path) -> Iterator[None]:
    """Make a folder of one's own, and take it away again where the work fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise HfxError(f"{folder} is not empty; name a new folder")
    except OSError as error:
        raise HfxError(f"cannot create {folder}: {error.strerror or error}") from error
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
