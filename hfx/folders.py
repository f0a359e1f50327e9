"""Which files a command means, and where each result goes: paths only, nothing is read."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

from hfx.errors import HfxError

PICTURES = frozenset(
    ".png .jpg .jpeg .jpe .webp .avif .heic .jp2 .j2k .jxl .bmp .gif .tif .tiff .ppm .pgm".split()
)
STREAMS = frozenset({".hfx"})


class Job(NamedTuple):
    """One file to read and the file to make of it."""

    source: Path
    target: Path


def files_in(folder: Path, suffixes: frozenset[str]) -> Iterator[Path]:
    """Yield a folder's files with one of the suffixes, recursively, sorted, hidden ones left out.

    Links to folders are not followed, so no file is met twice and no circle is walked.
    """
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if Path(name).suffix.lower() in suffixes and not name.startswith("."):
                yield Path(root, name)


def plan(
    sources: Iterable[Path], out: Path | None, suffixes: frozenset[str], suffix: str
) -> list[Job]:
    """Say which output each input gets: beside it, in the folder `out`, or `out` itself.

    Files found in folders keep their place below the folder. A single file may be given a file
    name as `out`; it counts as a folder where one exists or where it ends with a separator.

    Args:
        sources: Files, taken whatever their name, and folders, searched for `suffixes`.
        out: A file or a folder; None writes beside the inputs.
        suffixes: What to look for in folders.
        suffix: What outputs are called.

    Raises:
        HfxError: a source does not exist, a folder holds nothing, or `out` cannot hold all.
    """
    given = list(sources)
    jobs: list[Job] = []
    for source in given:
        if source.is_dir():
            found = list(files_in(source, suffixes))
            if not found:
                kind = (
                    "pictures" if suffixes is PICTURES else "/".join(sorted(suffixes)) + " files"
                )
                raise HfxError(f"no {kind} in {source}")
            root = out if out is not None else source
            jobs += [Job(f, (root / f.relative_to(source)).with_suffix(suffix)) for f in found]
        elif not source.exists():
            raise HfxError(f"{source} does not exist; check the path")
        elif source.suffix.lower() == suffix:
            raise HfxError(f"{source} is a {suffix} file already; give what it is to be made of")
        elif out is None:
            jobs.append(Job(source, source.with_suffix(suffix)))
        elif len(given) > 1 or out.is_dir() or str(out).endswith(("/", os.sep)):
            jobs.append(Job(source, out / source.with_suffix(suffix).name))
        else:
            if out.suffix.lower() != suffix:
                raise HfxError(f"{out} must end in {suffix}, or be a folder that exists")
            jobs.append(Job(source, out))
    many = len(given) > 1 or given[0].is_dir()
    if many and out is not None and out.exists() and not out.is_dir():
        raise HfxError(f"{out} is a file; several results need a folder")
    return jobs


def refuse_overwriting(job: Job, made: set[Path], overwrite: bool) -> None:
    """Raise HfxError where a job would destroy a file that nobody said may go.

    Args:
        job: What is about to be done.
        made: Outputs already written by this command; never written twice, or photo.jpg and
            photo.png would leave one photo.hfx and no word about it.
        overwrite: Whether older files may be replaced.
    """
    if job.target in made:
        raise HfxError(f"{job.source}: another input was already written to {job.target}")
    if not job.target.exists():
        return
    if job.target.samefile(job.source):
        raise HfxError(f"{job.source}: the output would replace the input")
    if not overwrite:
        raise HfxError(f"{job.target} exists; give --overwrite to replace it")


def make_room(target: Path) -> None:
    """Create the folder that a file is to lie in, and see that it can: hours may lie between.

    Raises:
        HfxError: the folder cannot be created, or no file in it.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HfxError(f"cannot create {target.parent}: {error.strerror or error}") from error
    try:
        with TemporaryFile(dir=target.parent):  # where Linux can, it never gets a name
            pass
    except OSError as error:
        raise HfxError(f"cannot write {target}: {error.strerror or error}") from error
