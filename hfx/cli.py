"""The `hfx` command: what it is told, checked and handed to the package; no modelling here."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

import hfx
from hfx import batch, folders, measure_command
from hfx.batch import Made
from hfx.bitstream import MAX_PIXELS
from hfx.console import State, about, one_line, out, reported
from hfx.errors import HfxError
from hfx.files import atomic_write, read
from hfx.folders import Job
from hfx.neighbours.command import fit_neighbours
from hfx.study.command import study

if TYPE_CHECKING:  # the command line starts without torch, numpy and Pillow
    from PIL.Image import Image


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
MaxPixels = Annotated[int, typer.Option(help="refuse larger pictures", min=1)]
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
    max_pixels: MaxPixels = MAX_PIXELS,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="share pictures on a Dask cluster")
    ] = None,
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

    how: dict[str, Any] = {
        "tier": tier, "quality": quality, "target_bpp": target_bpp, "target_bytes": target_bytes,
        "neighbours": neighbours, "effort": effort, "max_pixels": max_pixels,
    }  # fmt: skip

    def work(job: Job) -> Made:
        begun = time.perf_counter()
        data = codec.compress(job.source, **how)
        return Made(data, time.perf_counter() - begun)

    def keep(job: Job, made: Made) -> Text:
        folders.make_room(job.target)
        atomic_write(job.target, made.data)
        return summary(job, made.data, made.seconds)

    make = batch.here(work)
    if dask is not None:
        codec.models.choose(neighbours)  # loads it, so that it travels
        make = batch.there(dask, codec.weights, codec.models, how)
    batch.for_each(jobs, "compressing", make, keep, overwrite)


@app.command()
@reported
def decompress(
    sources: Sources,
    target: Out = None,
    realism: Annotated[
        float | None, typer.Option(help="0, most faithful, to 1, most realistic")
    ] = None,
    max_pixels: MaxPixels = MAX_PIXELS,
    weights: Weights = None,
    overwrite: Overwrite = False,
) -> None:
    """Decompress files: photo.hfx to photo.png; of folders, every .hfx file in them."""
    jobs = folders.plan(sources, target, folders.STREAMS, ".png")
    from hfx.codec import load
    from hfx.image import save_png

    codec = load(weights)
    codec.dial.at(realism)  # refuses once, not for every file

    def work(job: Job) -> "tuple[bytes, Image, float]":
        begun = time.perf_counter()
        data = read(job.source)
        picture = codec.decompress(data, max_pixels, realism=realism)
        return data, picture, time.perf_counter() - begun

    def keep(job: Job, made: "tuple[bytes, Image, float]") -> Text:
        data, picture, seconds = made
        folders.make_room(job.target)
        save_png(picture, job.target)
        return summary(job, data, seconds)

    batch.for_each(jobs, "decompressing", batch.here(work), keep, overwrite)


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


def summary(job: Job, data: bytes, seconds: float) -> Text:
    """Return a job's result in one line: bytes, bits per pixel, ratio, seconds."""
    facts = hfx.info(data)
    ratio = 8 * len(facts["mode"]) / facts["bpp"]  # against the pixels as they lie in memory
    return Text.assemble(
        (one_line(job.source), "dim"),
        " -> ",
        one_line(job.target),
        (f"  {facts['bytes']:,} bytes", "bold"),
        f"  {facts['bpp']:.3f} bpp  1:{ratio:.3g}  {seconds:.2f} s",
    )
