"""Many files to be made of many: here or on a cluster; what fails is named at the end.

jobs -> allowed? -> made here | on a Dask cluster -> kept -> a line each, in the jobs' order
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from rich.text import Text

from hfx import folders, spread
from hfx.console import USER_ERROR, about, complain, out, progress, show_trace
from hfx.errors import HfxError
from hfx.files import read
from hfx.folders import Job

if TYPE_CHECKING:  # the command line starts without torch
    from hfx.neighbours.models import Models
    from hfx.weights import Weights

R = TypeVar("R")
Make = Callable[[Iterator[Job]], Iterable[tuple[Job, R | HfxError]]]
"""From jobs, taken as they are needed, to their results or what went wrong, in the same order."""


@dataclass(frozen=True)
class Made:
    """A file and the seconds that its making took."""

    data: bytes
    seconds: float


@dataclass(frozen=True)
class Parcel:
    """One job's share of the work, as it travels to another machine."""

    job: Job
    file: bytes


def for_each(
    jobs: list[Job],
    title: str,
    make: Make[R],
    keep: Callable[[Job, R], Text],
    overwrite: bool = False,
) -> None:
    """Do every job, go on past those that fail, name these at the end and exit with 2.

    Args:
        jobs: What is to be made of what.
        title: What the bar says.
        make: See `here` and `there`.
        keep: Writes a result and says what came of it, in a line.
        overwrite: Whether files that exist may be replaced.
    """
    failures, written = list[str](), set[Path]()

    with progress(title, len(jobs), shown=len(jobs) > 1) as step:

        def failed(job: Job, error: HfxError) -> None:
            show_trace(error)
            failures.append(about(job.source, error))
            step()

        def allowed() -> Iterator[Job]:
            for job in jobs:
                try:
                    folders.refuse_overwriting(job, written, overwrite)
                except HfxError as error:
                    failed(job, error)
                else:
                    yield job

        for job, result in make(allowed()):
            try:
                if isinstance(result, HfxError):
                    raise result
                folders.refuse_overwriting(job, written, overwrite)  # one made ahead, perhaps
                out.print(keep(job, result))
                written.add(job.target)
            except HfxError as error:
                failed(job, error)
            else:
                step()
    for failure in failures:
        complain(failure)
    if len(jobs) > 1 and failures:
        complain(f"{len(failures)} of {len(jobs)} files failed")
    if failures:
        raise typer.Exit(USER_ERROR)


def here(work: Callable[[Job], R]) -> Make[R]:
    """Make files in this process, one after the other."""

    def make(jobs: Iterator[Job]) -> Iterator[tuple[Job, R | HfxError]]:
        for job in jobs:
            try:
                result: R | HfxError = work(job)
            except HfxError as error:
                result = error
            yield job, result

    return make


def there(
    address: str, weights: "Weights", models: "Models", how: Mapping[str, Any]
) -> Make[Made]:
    """Compress on the workers of a Dask cluster; files are read and written here.

    Args:
        address: Of its scheduler.
        weights: What a codec is made of.
        models: The neighbour models, those loaded that are needed.
        how: Keywords of `Codec.compress`.
    """

    def make(jobs: Iterator[Job]) -> Iterator[tuple[Job, Made | HfxError]]:
        unread = list[tuple[Job, HfxError]]()

        def parcels() -> Iterator[Parcel]:
            for job in jobs:
                try:
                    yield Parcel(job, read(job.source))
                except HfxError as error:
                    unread.append((job, error))

        for parcel, made in spread.over(address, compressed, (weights, models, how), parcels()):
            yield parcel.job, made
        yield from unread

    return make


def compressed(
    weights: "Weights", models: "Models", how: Mapping[str, Any], parcel: Parcel
) -> Made:
    """Compress on a worker; a codec itself does not travel, what it is made of does."""
    from hfx.codec import Codec

    begun = time.perf_counter()
    data = Codec(weights, models).compress(parcel.file, **how)
    return Made(data, time.perf_counter() - begun)
