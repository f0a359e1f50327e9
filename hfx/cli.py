"""The `hfx` command: what it is told, checked and handed to the package; no modelling here."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

import hfx
from hfx import folders, measure_command
from hfx.console import (
    USER_ERROR,
    State,
    about,
    complain,
    one_line,
    out,
    progress,
    reported,
    show_trace,
)
from hfx.errors import HfxError
from hfx.files import atomic_write
from hfx.folders import Job
from hfx.neighbours.command import fit_neighbours
from hfx.study.command import study

MAX_FILE = 1 << 29  # bytes; no picture within the limits needs more


class _DebugAnywhere(TyperGroup):
    """Accept --debug behind the command's name too, where people put it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        if "--debug" in args:
            args = ["--debug", *(a for a in args if a != "--debug")]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_DebugAnywhere,
    help="Generative image compression, to learn, to show and to try.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Sources = Annotated[list[Path], typer.Argument(metavar="IN...", help="files or folders")]
Out = Annotated[Path | None, typer.Option("-o", "--out", help="file or folder for the results")]
Weights = Annotated[Path | None, typer.Option(help="weights that `hfx export` wrote")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace files that exist")]


def main() -> None:
    """Run the command line."""
    app()


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"hfx {hfx.__version__}")
        raise typer.Exit


@app.callback()
def settings(
    debug: Annotated[bool, typer.Option("--debug", help="show tracebacks")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="say which hfx")
    ] = False,
) -> None:
    """Generative image compression, to learn, to show and to try."""
    State.debug = debug


@app.command()
@reported
def compress(
    sources: Sources,
    target: Out = None,
    tier: Annotated[str | None, typer.Option(help="low, medium (the default) or high")] = None,
    quality: Annotated[float | None, typer.Option(help="0 to 100; the tiers: 20 50 80")] = None,
    target_bpp: Annotated[float | None, typer.Option(help="bits per pixel to meet")] = None,
    target_bytes: Annotated[int | None, typer.Option(help="bytes not to exceed")] = None,
    neighbours: Annotated[
        str | None, typer.Option(help="xgb (the default where fitted), knn or none")
    ] = None,
    effort: Annotated[int, typer.Option(help="0 to 3: seconds for a nearer picture")] = 0,
    weights: Weights = None,
    overwrite: Overwrite = False,
) -> None:
    """Compress pictures: photo.jpg to photo.hfx; of folders, every picture in them."""
    jobs = folders.plan(sources, target, folders.PICTURES, ".hfx")
    from hfx.codec import load
    from hfx.quality import level_of

    codec = load(weights, neighbours)
    level_of(codec.weights.arch.tiers, tier, quality, target_bpp, target_bytes)
    codec.refiner(effort)  # refuses once, not for every file

    def work(job: Job) -> Text:
        begun = time.perf_counter()
        data = codec.compress(
            job.source, tier, quality=quality, target_bpp=target_bpp, target_bytes=target_bytes,
            neighbours=neighbours, effort=effort,
        )  # fmt: skip
        folders.make_room(job.target)
        atomic_write(job.target, data)
        return summary(job, data, begun)

    for_each(jobs, "compressing", work, overwrite)


@app.command()
@reported
def decompress(
    sources: Sources,
    target: Out = None,
    realism: Annotated[
        float | None, typer.Option(help="0, most faithful, to 1, most realistic")
    ] = None,
    weights: Weights = None,
    overwrite: Overwrite = False,
) -> None:
    """Decompress files: photo.hfx to photo.png; of folders, every .hfx file in them."""
    jobs = folders.plan(sources, target, folders.STREAMS, ".png")
    from hfx.codec import load
    from hfx.image import save_png

    codec = load(weights)
    codec.dial.at(realism)  # refuses once, not for every file

    def work(job: Job) -> Text:
        begun = time.perf_counter()
        data = read(job.source)
        picture = codec.decompress(data, realism=realism)
        folders.make_room(job.target)
        save_png(picture, job.target)
        return summary(job, data, begun)

    for_each(jobs, "decompressing", work, overwrite)


@app.command()
@reported
def info(
    source: Annotated[Path, typer.Argument(metavar="FILE")],
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Say what a .hfx file holds, without decoding it."""
    data = read(source)
    try:
        facts = hfx.info(data)
    except HfxError as error:
        raise HfxError(about(source, error)) from error
    if as_json:
        out.print(json.dumps(facts))
        return
    chunks = facts.pop("chunks")
    facts["bpp"] = f"{facts['bpp']:.4f}"
    table = Table(show_header=False, box=None)
    for name, value in [*facts.items(), *((f"  {k}", f"{v} bytes") for k, v in chunks.items())]:
        table.add_row(name, str(value))
    out.print(table)


# Training parses its own options: it must run where nothing but torch is installed.
@app.command(
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    }
)
@reported
def train(ctx: typer.Context) -> None:
    """Train a model; `hfx train --help` lists the options."""
    from hfx.train import main as run

    raise typer.Exit(run(list(ctx.args)))


@app.command()
@reported
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="a run's folder or checkpoint")],
    target: Annotated[Path, typer.Option("-o", "--out", help="the weights file")] = Path(
        "data/weights/compact.safetensors"
    ),
    data: Annotated[
        list[Path] | None,
        typer.Option(help="pictures to put the tiers at their rates with; may be repeated"),
    ] = None,
    gan: Annotated[
        Path | None, typer.Option(metavar="RUN", help="a stage 2 run, for the realism dial")
    ] = None,
    realism: Annotated[
        float | None, typer.Option(help="the dial's default, with --gan: 1 unless given")
    ] = None,
) -> None:
    """Turn a run into weights that compress; tiers are calibrated on --data."""
    from hfx.export import export as write

    folders.make_room(target)
    written = write(run, target, data, gan=gan, realism=realism)
    out.print(f"{target}: {target.stat().st_size:,} bytes, model {written.fingerprint.hex()}")


app.command()(fit_neighbours)
app.command()(measure_command.evaluate)
app.command()(measure_command.benchmark)
app.command()(measure_command.tables)
app.command()(measure_command.profile)
app.add_typer(study, name="study")


# --- shared


def read(path: Path) -> bytes:
    """Return a file's bytes; raises HfxError where it cannot be read."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise HfxError(f"{path} is too large to be an .hfx file")
        return path.read_bytes()
    except OSError as error:
        raise HfxError(f"cannot read {path}: {error.strerror or error}; check the path") from error


def summary(job: Job, data: bytes, begun: float) -> Text:
    """Return a job's result in one line: bytes, bits per pixel, ratio, seconds."""
    facts = hfx.info(data)
    ratio = 8 * len(facts["mode"]) / facts["bpp"]  # against the pixels as they lie in memory
    return Text.assemble(
        (one_line(job.source), "dim"),
        " -> ",
        one_line(job.target),
        (f"  {facts['bytes']:,} bytes", "bold"),
        f"  {facts['bpp']:.3f} bpp  1:{ratio:.3g}  {time.perf_counter() - begun:.2f} s",
    )


def for_each(
    jobs: list[Job], title: str, work: Callable[[Job], Text], overwrite: bool = False
) -> None:
    """Do every job, go on past those that fail, name these at the end and exit with 2."""
    failures, made = [], set[Path]()
    with progress(title, len(jobs), shown=len(jobs) > 1) as step:
        for job in jobs:
            try:
                folders.refuse_overwriting(job, made, overwrite)
                out.print(work(job))
                made.add(job.target)
            except HfxError as error:
                show_trace(error)
                failures.append(about(job.source, error))
            step()
    for failure in failures:
        complain(failure)
    if len(jobs) > 1 and failures:
        complain(f"{len(failures)} of {len(jobs)} files failed")
    if failures:
        raise typer.Exit(USER_ERROR)
