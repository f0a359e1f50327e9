"""`hfx fit-neighbours`: pictures in, a neighbour model beside the weights out, and a report."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from hfx import folders
from hfx.console import out, progress, reported
from hfx.errors import HfxError

if TYPE_CHECKING:  # the command line starts without numpy
    import numpy as np
    from numpy.typing import NDArray

WINDOWS = 1_000_000  # as many as fit into a laptop's memory; the paper's Y is 120 to 960


@reported
def fit_neighbours(
    data: Annotated[list[Path], typer.Option(help="training pictures: folders or tars; repeat")],
    kind: Annotated[str, typer.Option(help="xgb or knn")] = "xgb",
    windows: Annotated[int, typer.Option(help="Y, training windows to draw", min=4)] = WINDOWS,
    pictures: Annotated[int, typer.Option(help="pictures to draw them from", min=1)] = 400,
    rounds: Annotated[int | None, typer.Option(help="xgb: trees a decision", min=0)] = None,
    depth: Annotated[int | None, typer.Option(help="xgb: depth of a tree", min=1)] = None,
    eta: Annotated[
        float | None, typer.Option(help="xgb: share of a tree that is used", min=0, max=1)
    ] = None,
    gamma: Annotated[
        float | None, typer.Option(help="xgb: twice the gamma of Eq. 4", min=0)
    ] = None,
    lambda_: Annotated[
        float | None, typer.Option("--lambda", help="xgb: lambda of Eq. 4", min=0)
    ] = None,
    neighbours: Annotated[int | None, typer.Option("-k", help="knn: k", min=1)] = None,
    window: Annotated[int, typer.Option(help="side of the window of neighbours")] = 7,
    seed: Annotated[int, typer.Option(help="of the windows drawn")] = 0,
    weights: Annotated[Path | None, typer.Option(help="weights to fit it for")] = None,
    target: Annotated[
        Path | None, typer.Option("-o", "--out", help="the model's file; default: by the weights")
    ] = None,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="xgb: fit on a Dask cluster")
    ] = None,
) -> None:
    """Fit a neighbour model on training pictures, and say what it saves on held-out ones."""
    from hfx import weights as files
    from hfx.codec import Codec, load
    from hfx.data import load_pictures
    from hfx.neighbours import fit, samples, store
    from hfx.neighbours.chain import DECISIONS, Chain
    from hfx.neighbours.fit_nearest import Votes, fit_nearest
    from hfx.neighbours.plan import Plan

    if kind not in store.KINDS:
        raise HfxError(f"no neighbour model {kind!r} to fit; use one of {', '.join(store.KINDS)}")
    if dask is not None and kind != "xgb":
        raise HfxError("only --kind xgb is fitted on a Dask cluster")
    path = files.find(weights)
    codec: Codec = load(path, "none")
    target = target or path.with_name(f"{path.stem}.{kind}{path.suffix}")
    folders.make_room(target)
    try:
        plan = Plan(window=window)
    except ValueError as error:
        raise HfxError(str(error)) from error
    tables = codec.weights.prior.tables_y

    # --- pictures to latents to windows
    some = chosen(load_pictures(data, least=64), pictures, seed)
    try:
        held = chosen(load_pictures(data, held=True, least=64), max(3, pictures // 8), seed)
    except HfxError as error:  # there are others, so it is bad luck
        raise HfxError(
            f"one photograph in 24 is held out, here none: give more ({error})"
        ) from error
    with progress("analysing", len(some) + len(held)) as step:
        train, test = (samples.latents_of(codec, p, seed, step) for p in (some, held))
    chain = Chain.of(tables)
    draw = {"seed": seed}
    seen = samples.windows_of(train, tables, plan, chain, windows, **draw)
    unseen = samples.windows_of(test, tables, plan, chain, max(1000, windows // 4), **draw)

    # --- windows to a model
    model: store.Fitted
    if kind == "xgb":
        given = {"rounds": rounds, "depth": depth, "eta": eta, "gamma": gamma, "lambda_": lambda_}
        knobs = fit.Knobs(seed=seed, **settings(given))
        with progress("boosting", fit.steps_of(knobs)) as step:
            model, report = fit.fit_boosted(
                tables, plan, seen, unseen, knobs, step=step, cluster=dask
            )
    else:
        votes = Votes(seed=seed, **settings({"k": neighbours}))
        with progress("choosing", len(DECISIONS)) as step:
            model, report = fit_nearest(tables, plan, seen, unseen, votes, step=step)

    about = {"pictures": len(some), "seed": seed, "report": report.to_dict()}
    store.save(model, target, codec.weights.fingerprint, about)
    out.print(table_of(report), soft_wrap=False)
    before, after = samples.bytes_of(codec, model, test)
    out.print(
        f"{len(test)} held-out pictures: y takes {before:,} bytes without, {after:,} with "
        f"({after / before - 1:+.1%})"
    )
    out.print(f"{target}: {target.stat().st_size:,} bytes, fitted on {len(seen):,} windows")


def settings(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in given.items() if value is not None}


def chosen(
    pictures: Sequence["NDArray[np.uint8]"], count: int, seed: int
) -> list["NDArray[np.uint8]"]:
    """Choose at most `count` pictures at random, in their order."""
    import numpy as np

    order = np.random.default_rng(seed).permutation(len(pictures))[:count]
    return [pictures[i] for i in np.sort(order)]


def table_of(report: Any) -> Table:  # noqa: ANN401
    """Lay out what each decision costs before and after."""
    from hfx.neighbours.chain import DECISIONS

    table = Table("decision", "bits before", "after", "saved", "trees or points", box=None)
    rows = zip(DECISIONS, report.before, report.after, report.rounds, strict=True)
    for decision, before, after, rounds in rows:
        saved = f"{1 - after / before if before else 0:.1%}"
        table.add_row(decision, f"{before:,.0f}", f"{after:,.0f}", saved, str(rounds))
    table.add_row("all", f"{sum(report.before):,.0f}", f"{sum(report.after):,.0f}",
                  f"{report.saved:.1%}", "")  # fmt: skip
    return table
