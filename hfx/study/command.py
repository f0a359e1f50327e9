"""`hfx study`: prepare a study with people from a folder of photographs, and read its votes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from hfx import folders
from hfx.console import complain, out, progress, reported
from hfx.study import manifest

if TYPE_CHECKING:  # the command line starts without torch
    from hfx.codec import Codec

study = typer.Typer(help="Which is real? Blind pairs for people, and what they voted.")


@study.command()
@reported
def prepare(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="folder of photographs")],
    target: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="a new folder; default: where the dashboard looks"),
    ] = None,
    title: Annotated[str, typer.Option(help="what it is called")] = "Which is real?",
    codec: Annotated[
        list[str] | None,
        typer.Option(help="who competes: hfx, 'hfx realism 0.5', JPEG, ..., original; repeat"),
    ] = None,
    tier: Annotated[str, typer.Option(help="of ours; its bytes bind the others")] = "medium",
    pairs: Annotated[int, typer.Option(help="blind pairs a participant", min=1)] = 10,
    catches: Annotated[int, typer.Option(help="catch trials a participant", min=0)] = 2,
    reference: Annotated[
        bool, typer.Option("--reference", help="let participants look at the original")
    ] = False,
    side: Annotated[int, typer.Option(help="pixels of each photograph that are shown")] = 512,
    weights: Annotated[Path | None, typer.Option(help="weights that `hfx export` wrote")] = None,
) -> None:
    """Make the pictures of a study, all codecs at our bytes, photograph by photograph."""
    from hfx.bench import pictures_of
    from hfx.codec import load
    from hfx.study import prepare as making

    pictures = pictures_of(folder)
    ours = load(weights)
    setup = making.Setup(
        title=title,
        codecs=tuple(codec or _available(ours)),
        tier=tier,
        pairs=pairs,
        catches=catches,
        reference=reference,
        side=side,
    )
    making.check(setup, ours)
    code = manifest.new_code()
    target = target or manifest.studies_folder() / code
    folders.make_room(target)
    with progress("coding", len(pictures)) as step:
        made = making.prepare(pictures, setup, ours, target, code=code, tell=complain, step=step)
    comparisons = len(making.comparisons(made))
    out.print(
        f"{target}: code {made.code}, {len(made.photographs)} photographs, "
        f"{comparisons} comparisons"
    )


def _available(ours: "Codec") -> list[str]:
    """Return ours and all classical codecs that this machine has, and say which it lacks."""
    from hfx.study.prepare import AT, possible_codecs

    found = possible_codecs(ours, reference=True)
    for name, reason in found.items():
        if reason:
            complain(f"{name} is left out: {reason}")
    return [name for name, reason in found.items() if not reason and not name.startswith(AT)]


@study.command()
@reported
def results(
    folder: Annotated[Path, typer.Argument(metavar="STUDY", help="the study's folder")],
    target: Annotated[
        Path | None, typer.Option("-o", "--out", help="also write every vote, as a CSV")
    ] = None,
    without_flagged: Annotated[
        bool, typer.Option("--without-flagged", help="leave out who failed a catch trial")
    ] = False,
) -> None:
    """Rank the codecs of a study by its votes so far."""
    from hfx.study import outcome as counting

    read = manifest.read(folder)
    found = counting.outcome(read, without_flagged)
    if target is not None:
        folders.make_room(target)
        counting.export(read, target)
    out.print(
        f"{read.title} ({read.code}): {found.votes} votes; {found.joined} joined, "
        f"{found.finished} finished, {len(found.flagged)} failed a catch trial"
        + (" and are left out" if without_flagged and found.flagged else "")
    )
    if not found.standings:
        return
    table = Table("codec", "preferred to an average rival", "95% interval", "votes for it", "of",
                  "strength", "bytes / ours", box=None)  # fmt: skip
    for at in found.standings:
        interval = "" if at.low is None else f"{at.low:.0%} to {at.high:.0%}"
        share = "" if at.budget_share is None else f"{at.budget_share:.3f}"
        table.add_row(at.codec, f"{at.chance:.0%}", interval, str(at.wins), str(at.shown),
                      f"{at.strength:+.2f}", share)  # fmt: skip
    out.print(table, soft_wrap=False)
    if found.agreement.share is not None:
        out.print(
            f"two participants agree on {found.agreement.share:.0%} of what both answered "
            f"({found.agreement.twos} comparisons of two; by coin 50%)"
        )
