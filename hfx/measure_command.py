"""`hfx evaluate`, `benchmark`, `tables` and `profile`: CSVs, and a summary in the terminal."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hfx import folders
from hfx.console import complain, out, progress, reported
from hfx.errors import HfxError

if TYPE_CHECKING:  # the command line starts without numpy
    from hfx.codec import Codec
    from hfx.results import Row

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="folder of pictures")]
Weights = Annotated[Path | None, typer.Option(help="weights that `hfx export` wrote")]


Target = Annotated[Path, typer.Option("-o", "--out", help="CSV, one row a file")]
Sets = Annotated[bool, typer.Option(help="also FID-768 and KID-768 of all pictures together")]
Html = Annotated[Path | None, typer.Option(help="also a report to open in a browser")]


@reported
def evaluate(
    folder: Folder,
    target: Target = Path("evaluation.csv"),
    tier: Annotated[list[str] | None, typer.Option(help="default: all; repeat")] = None,
    quality: Annotated[list[float] | None, typer.Option(help="0 to 100; repeat")] = None,
    neighbours: Annotated[str | None, typer.Option(help="xgb, knn or none")] = None,
    realism: Annotated[list[float] | None, typer.Option(help="of decoding; repeat")] = None,
    sets: Sets = True,
    html: Html = None,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="share pictures on a Dask cluster")
    ] = None,
    weights: Weights = None,
) -> None:
    """Measure our files of every picture: true bytes, quality, seconds, memory; FID of the set.

    Rows that are already in the CSV for the same weights are kept: a second run goes on.
    """
    from hfx.bench import pictures_of

    pictures = pictures_of(folder)
    from hfx import evaluate as measure
    from hfx.codec import load

    codec = load(weights, neighbours)
    wishes = measure.wishes_of(codec, tier, quality, realism)
    folders.make_room(target)
    with progress("measuring", len(pictures)) as step:
        rows = measure.run(codec, pictures, target, wishes, tell=complain, step=step, cluster=dask)
    finish(codec, pictures, rows, rows, target, sets, html)


@reported
def benchmark(
    folder: Folder,
    target: Target = Path("results.csv"),
    sweep: Annotated[bool, typer.Option("--sweep", help="also a series of qualities")] = False,
    anchor: Annotated[str, typer.Option(help="codec that BD-rates compare with")] = "AVIF",
    sets: Sets = True,
    html: Html = None,
    weights: Weights = None,
) -> None:
    """Measure against JPEG, WebP, AVIF, JPEG 2000 and JPEG XL at equal bytes.

    Rows that are already in the CSV for the same weights are kept: a second run goes on.
    """
    from hfx.bench import pictures_of

    pictures = pictures_of(folder)
    from hfx.benchmark import run
    from hfx.classical import CODECS
    from hfx.codec import load

    known = ["hfx", *(one.name for one in CODECS), "HiFiC", "MS-ILLM"]
    if anchor not in known:
        raise HfxError(f"no codec {anchor!r}; use one of {', '.join(known)}")
    codec = load(weights)
    folders.make_room(target)
    with progress("measuring", len(pictures)) as step:
        rows = run(codec, pictures, target, sweep=sweep, tell=complain, step=step)
    crowds = [row for row in rows if row.tier]
    finish(codec, pictures, rows, crowds, target, sets, html, anchor)


def finish(
    codec: "Codec",
    pictures: dict[str, Path],
    rows: list["Row"],
    crowds: list["Row"],
    target: Path,
    wanted: bool,
    html: Path | None,
    anchor: str | None = None,
) -> None:
    """Average, measure sets if wanted, compare with an anchor, report.

    Args:
        codec: Ours.
        pictures: Paths by name.
        rows: All rows.
        crowds: Those that make up sets.
        target: The CSV of rows; others get names like its own.
        wanted: Whether to measure sets.
        html: File of the report, if any.
        anchor: Codec whose curve the others are compared with, if any.
    """
    from hfx import deltas, results, sets

    lines = results.summarise(rows, target)
    out.print(results.summary_table(lines), soft_wrap=False)
    groups: list[sets.SetRow] = []
    if wanted and rows:
        path = target.with_name(f"{target.stem}_sets.csv")
        with progress("sets", len(sets.grouped(crowds))) as step:
            groups = sets.run(codec, pictures, crowds, path, tell=complain, step=step)
        out.print(sets.summary(groups), soft_wrap=False)
    found: list[deltas.Against] = []
    if anchor is not None and any(line["codec"] == anchor for line in lines):
        found = deltas.against(lines, anchor)
        deltas.save(target.with_name(f"{target.stem}_bd.csv"), found)
        out.print(deltas.summary(found), soft_wrap=False)
    if html is not None and rows:
        from hfx import report

        folders.make_room(html)
        report.write(html, codec, pictures, rows, lines, groups, found)
        out.print(f"report: {html}")


@reported
def tables(
    folder: Folder,
    target: Annotated[Path, typer.Option("-o", "--out", help="folder for the results")],
    weights: Weights = None,
) -> None:
    """Measure the paper's Tables 1 to 3 anew: bytes, looks, quality; and audit the printed one.

    Rows that are already there for the same models are kept: a second run goes on.
    """
    from hfx.bench import pictures_of

    pictures = pictures_of(folder)
    from dataclasses import asdict

    from hfx import audit, contact, table3
    from hfx import tables as table1
    from hfx.codec import load

    folders.make_room(target / "table1.csv")
    codec = load(weights, "none")
    with progress("Table 1", len(pictures)) as step:
        sizes = table1.table1(codec, pictures, target / "table1.csv", complain, step)
    out.print(table1.summary(sizes), soft_wrap=False)

    with progress("Table 2", len(contact.chosen(list(pictures)))) as step:
        contact.sheet(codec, pictures, target / "table2.png", step=step)  # all was told above
    out.print(f"Table 2: {target / 'table2.png'}")

    with progress("Table 3", len(pictures)) as step:
        rows = table3.table3(codec, pictures, target / "table3.csv", complain, step)
    out.print(table3.summary(rows), soft_wrap=False)

    found = audit.audit("printed", table3.published()) if table3.published() else []
    ours = [asdict(row) for row in rows if row.whole]
    if len(ours) > 2:
        found += audit.audit("measured", ours)
    if found:
        audit.save(target / "audit.csv", found)
        out.print(audit.summary(found), soft_wrap=False)


@reported
def profile(
    picture: Annotated[
        Path | None, typer.Option(help="whose detail stands for all; default: noise")
    ] = None,
    size: Annotated[
        list[str] | None, typer.Option(metavar="WxH", help="like 768x512, the default; repeat")
    ] = None,
    growth: Annotated[bool, typer.Option("--growth", help="0.1 to 100 megapixels")] = False,
    preset: Annotated[
        str | None, typer.Option(help="random weights of tiny, compact or paper instead")
    ] = None,
    neighbours: Annotated[str, typer.Option(help="also time xgb or knn")] = "none",
    limit: Annotated[float, typer.Option(help="seconds a size, before guessing", min=0)] = 60.0,
    target: Annotated[Path, typer.Option("-o", "--out", help="CSV")] = Path("profile.csv"),
    weights: Weights = None,
) -> None:
    """Say what each stage costs: MACs, parameters, bytes moved, seconds, memory."""
    from hfx import profile as measure
    from hfx.codec import load
    from hfx.image import load as picture_of

    sizes = [measure.parsed(text) for text in size or ()]
    sizes += [measure.size_of(m) for m in measure.GROWTH] if growth else []
    sizes = sizes or [measure.parsed("768x512")]
    rgb = measure.noise() if picture is None else picture_of(picture).rgb
    if preset is None:
        codec, kind = load(weights, neighbours), neighbours
    else:
        codec, kind = measure.random_codec(preset), None
    folders.make_room(target)
    with progress("profiling", len(sizes)) as step:
        costs = measure.profile(codec, rgb, sizes, neighbours=kind, limit=limit, step=step)
    measure.save(target, costs)
    out.print(measure.summary(costs), soft_wrap=False)
