"""What a study consists of, and where studies lie: a folder each, with a manifest in it.

A folder holds `study.json`, the pictures under names that give nothing away, and the votes.
"""

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hfx.errors import HfxError
from hfx.files import atomic_write

FILE = "study.json"
VOTES = "votes.sqlite"
FORMAT = 1
ORIGINAL, CATCH = "original", "catch"  # as names of codecs: nothing lost, and nearly all
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none is taken for another when read aloud


@dataclass(frozen=True)
class Shown:
    """A photograph as one codec leaves it.

    Attributes:
        file: Name of the PNG in the study's folder.
        bytes: Of the codec's file of the whole photograph; None for the original.
        setting: The codec's setting, to read.
    """

    file: str
    bytes: int | None
    setting: str


@dataclass(frozen=True)
class Photograph:
    """One photograph of a study: the part that is shown, once for each codec.

    Attributes:
        name: What it is called.
        width: Of the part shown.
        height: Of the part shown.
        budget: Bytes of our file, which no other file exceeds.
        original: PNG of the part as it was.
        catch: PNG of the part compressed so heavily that nobody who looks can take it for real.
        shown: By codec; one whose smallest file is over the budget is missing.
    """

    name: str
    width: int
    height: int
    budget: int
    original: str
    catch: str
    shown: dict[str, Shown]


@dataclass(frozen=True)
class Study:
    """All that is decided before the first vote.

    Attributes:
        code: What participants type to join.
        title: What it is called.
        tier: Which of our tiers sets the budget of bytes.
        codecs: Who competes.
        pairs: How many blind pairs each participant is shown.
        catches: How many trials more have the original beside the catch picture.
        reference: Whether the original may be looked at, and likeness to it is what counts.
        model: Fingerprint of our weights.
        photographs: What is shown.
        folder: Where it lies.
    """

    code: str
    title: str
    tier: str
    codecs: tuple[str, ...]
    pairs: int
    catches: int
    reference: bool
    model: str
    photographs: tuple[Photograph, ...]
    folder: Path = field(compare=False)

    @property
    def question(self) -> str:
        """What participants are asked."""
        if self.reference:
            return "Which is closer to the original?"
        return "Which looks more like a real photograph?"

    @property
    def votes(self) -> Path:
        """Where the votes are kept."""
        return self.folder / VOTES

    def png(self, photograph: int, codec: str) -> bytes:
        """Return a picture that participants see.

        Args:
            photograph: Its place among `photographs`.
            codec: One of `codecs`, ORIGINAL or CATCH.

        Raises:
            HfxError: the file is gone.
        """
        of = self.photographs[photograph]
        plain = {ORIGINAL: of.original, CATCH: of.catch}
        name = plain[codec] if codec in plain else of.shown[codec].file
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise HfxError(
                f"study {self.code} lacks its picture {name} ({error.strerror}); prepare it anew"
            ) from error


def studies_folder() -> Path:
    """Return where studies lie: the folder that HFX_STUDIES names, or else runs/studies."""
    return Path(os.environ.get("HFX_STUDIES") or "runs/studies")


def new_code() -> str:
    """Return a code that nobody guesses while a study is on."""
    return "".join(secrets.choice(LETTERS) for _ in range(6))


def write(study: Study) -> None:
    """Write a study's manifest: from that moment on the study exists."""
    facts = asdict(study)
    del facts["folder"]
    text = json.dumps({"format": FORMAT, **facts}, indent=1, ensure_ascii=False)
    atomic_write(study.folder / FILE, text.encode())


def read(folder: Path) -> Study:
    """Read the study in a folder.

    Raises:
        HfxError: there is none, or it is damaged or of another format.
    """
    path = folder / FILE
    try:
        facts: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if facts.pop("format") != FORMAT:
            raise ValueError("its format is another one")
        photographs = tuple(_photograph(p) for p in facts.pop("photographs"))
        codecs = tuple(facts.pop("codecs"))
        return Study(**facts, codecs=codecs, photographs=photographs, folder=folder)
    except FileNotFoundError as error:
        raise HfxError(f"no study in {folder}: `hfx study prepare` makes one") from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise HfxError(f"{path} is no manifest of a study ({error}); prepare it anew") from error


def _photograph(facts: dict[str, Any]) -> Photograph:
    shown = {codec: Shown(**values) for codec, values in facts.pop("shown").items()}
    photograph = Photograph(**facts, shown=shown)
    names = [photograph.original, photograph.catch, *(s.file for s in shown.values())]
    if any(Path(name).name != name for name in names):  # a folder may come from anyone
        raise ValueError("a picture outside its folder")
    return photograph


def studies(root: Path) -> Iterator[Study]:
    """Yield the readable studies in the folders of `root`, the newest first."""
    found = list(root.glob(f"*/{FILE}"))
    for path in sorted(found, key=lambda p: p.stat().st_mtime, reverse=True):
        try:
            yield read(path.parent)
        except HfxError:
            continue


def find(root: Path, code: str) -> Study:
    """Return the study that a participant's code names, however it was typed.

    Raises:
        HfxError: there is none.
    """
    wanted = "".join(code.split()).upper()
    for study in studies(root):
        if study.code == wanted:
            return study
    raise HfxError("no study has this code; check it with whoever gave it to you")
