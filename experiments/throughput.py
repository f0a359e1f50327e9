r"""Pictures a second on 1 and 2 workers of a cluster, and what the cost model makes of a million.

    python experiments/throughput.py --data KODAK --profile data/results/profile.csv \
        --out data/results/throughput.csv --page docs/cluster.md

Workers are processes of one thread on this machine, as Dask starts them on any other: files are
read here, travel, are compressed at medium with the weights' neighbour model, and come back. Every
set is done once to warm up and then `--rounds` times in one go, connecting included; the files
must be those that this process makes. The forecast takes a picture's seconds from the cost model
(`hfx profile`; encoding only) and shares pictures out evenly. It is a forecast: nobody has
compressed a million. Measure on a machine that does nothing else, with as many cores as workers.
"""

import argparse
import csv
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch

import hfx
from hfx import batch, image, spread
from hfx.batch import Parcel
from hfx.bench import pictures_of
from hfx.codec import Codec
from hfx.console import progress
from hfx.errors import HfxError
from hfx.folders import Job
from hfx.results import write

BOTH_SIDES = ("h_s", "coder", "neighbours")  # the cost model counts these for the decoder, too
ENCODER = ("E", "h_a", *BOTH_SIDES)
MILLION = 1_000_000
SIZES, MACHINES = (0.4, 12.0), (1, 10, 100)  # megapixels; machines like this one
MARKS = re.compile(r"(<!-- forecast -->\n).*?(<!-- end -->)", re.S)


@dataclass(frozen=True)
class Row:
    """One way to compress the pictures: a line of the CSV."""

    workers: int  # 0: this process, no cluster
    threads: int  # of each
    cores: int  # of the machine
    pictures: int
    megapixels: float
    bytes: int
    seconds: float
    pictures_per_second: float
    megapixels_per_second: float


@dataclass(frozen=True)
class Forecast:
    """A million pictures of one size: a line of the second CSV; hours by the cost model."""

    megapixels: float  # each
    seconds: float  # each, on this machine
    source: str  # measured or extrapolated, see `hfx.profile`
    machines: int
    hours: float
    model_error: float  # of the seconds of the measured pictures: model / measured - 1


# --- measuring


def alone(codec: Codec, parcels: list[Parcel]) -> list[bytes]:
    """Compress in this process."""
    return [codec.compress(parcel.file) for parcel in parcels]


def shared_out(address: str, codec: Codec, parcels: list[Parcel]) -> list[bytes]:
    """Compress on a cluster."""
    files = []
    shared = (codec.weights, codec.models, {})
    for _, made in spread.over(address, batch.compressed, shared, parcels):
        if isinstance(made, HfxError):
            raise made
        files.append(made.data)
    return files


@contextmanager
def cluster_of(workers: int) -> Iterator[str]:
    """Start workers on this machine; yield the address of their scheduler."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address=":0",
        scheduler_kwargs={"dashboard": False},
    ) as cluster:  # fmt: skip
        yield cluster.scheduler_address


def timed(
    workers: int,
    threads: int,
    work: Callable[[list[Parcel]], list[bytes]],
    parcels: list[Parcel],
    rounds: int,
    pixels: int,
) -> tuple[Row, list[bytes]]:
    """Warm up and measure; return the files of one round, too."""
    files = work(parcels)
    begun = time.perf_counter()
    again = work(parcels * rounds)
    seconds = time.perf_counter() - begun
    if again != files * rounds:
        raise HfxError("two rounds made different files")
    count, megapixels = len(again), pixels * rounds / 1e6
    cores = len(os.sched_getaffinity(0))
    size = sum(map(len, files))
    return Row(
        workers, threads, cores, count, megapixels, size, seconds, count / seconds,
        megapixels / seconds,
    ), files  # fmt: skip


def measure(codec: Codec, parcels: list[Parcel], pixels: int, rounds: int) -> list[Row]:
    """Compress here on one thread and on all, then on one worker and on two."""
    cores = len(os.sched_getaffinity(0))
    rows, first = [], None
    ways = [(0, threads) for threads in sorted({1, cores})] + [(1, 1), (2, 1)]
    with progress("measuring", len(ways)) as step:
        for workers, threads in ways:
            if workers:
                with cluster_of(workers) as address:
                    row, files = timed(
                        workers, threads, lambda p, a=address: shared_out(a, codec, p), parcels,
                        rounds, pixels,
                    )  # fmt: skip
            else:
                torch.set_num_threads(threads)
                row, files = timed(0, threads, lambda p: alone(codec, p), parcels, rounds, pixels)
            if files != (first or files):
                raise HfxError(f"{workers} workers made other files than this process")
            first = files
            rows.append(row)
            step()
    return rows


# --- forecasting


def encoding(path: Path) -> dict[float, tuple[float, str]]:
    """Return the seconds of encoding, and their source, by megapixels; from `hfx profile`."""
    found: dict[float, tuple[float, str]] = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["stage"] in ENCODER:
                share = 0.5 if row["stage"] in BOTH_SIDES else 1.0
                size = float(row["megapixels"])
                before = found.get(size, (0.0, ""))[0]
                found[size] = before + share * float(row["seconds"]), row["source"]
    return found


def seconds_of(megapixels: float, known: dict[float, tuple[float, str]]) -> tuple[float, str]:
    """Return a picture's seconds: those of the nearest size, in proportion to the pixels."""
    nearest = min(known, key=lambda size: abs(size - megapixels))
    seconds, source = known[nearest]
    return seconds * megapixels / nearest, source


def forecast(known: dict[float, tuple[float, str]], rows: list[Row]) -> list[Forecast]:
    """Say how long a million pictures take, and how far the model is from what was measured."""
    whole = max((row for row in rows if not row.workers), key=lambda row: row.threads)
    each = whole.megapixels / whole.pictures
    error = seconds_of(each, known)[0] * whole.pictures_per_second - 1
    lines = []
    for size in SIZES:
        seconds, source = seconds_of(size, known)
        lines += [
            Forecast(size, seconds, source, n, MILLION * seconds / 3600 / n, error)
            for n in MACHINES
        ]
    return lines


def page(rows: list[Row], lines: list[Forecast]) -> str:
    """Lay out both tables for the docs."""
    out = ["| | pictures a second | megapixels a second |", "|---|---|---|"]
    for row in rows:
        plural = "s" * (row.threads > 1)
        name = f"this process, {row.threads} thread{plural}"
        if row.workers:
            name = f"{row.workers} worker{'s' * (row.workers > 1)} of one thread"
        out.append(f"| {name} | {row.pictures_per_second:.2f} | {row.megapixels_per_second:.2f} |")
    out += ["", "| a million of | seconds each | " + " | ".join(
        f"{n} machine{'s' * (n > 1)}" for n in MACHINES) + " |"]  # fmt: skip
    out.append("|---" * (2 + len(MACHINES)) + "|")
    for size in SIZES:
        those = [line for line in lines if line.megapixels == size]
        hours = " | ".join(f"{line.hours:,.1f} h" for line in those)
        out.append(f"| {size:g} megapixels | {those[0].seconds:.2f} | {hours} |")
    out += ["", f"For the pictures measured, the model says {lines[0].model_error:+.0%} of the "
            f"seconds that one process on {rows[0].cores} cores took."]  # fmt: skip
    return "\n".join(out) + "\n"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--profile", type=Path, required=True, help="CSV of `hfx profile`")
    parser.add_argument("--out", type=Path, required=True, help="the CSV to write")
    parser.add_argument("--page", type=Path, help="Markdown whose tables are to be renewed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--weights", type=Path, help="ours, by default those shipped")
    return parser.parse_args()


def main() -> None:
    """Measure, forecast, write both CSVs and the page."""
    args = arguments()
    known = encoding(args.profile)
    codec = hfx.load(args.weights)
    codec.models.choose(None)  # loads it, so that it travels
    paths = pictures_of(args.data).values()
    parcels = [Parcel(Job(path, path), path.read_bytes()) for path in paths]
    pictures = (image.load(parcel.file) for parcel in parcels)
    pixels = sum(picture.height * picture.width for picture in pictures)
    rows = measure(codec, parcels, pixels, args.rounds)
    lines = forecast(known, rows)
    write(args.out, [f.name for f in fields(Row)], [asdict(row) for row in rows])
    beside = args.out.with_name(f"{args.out.stem}_forecast{args.out.suffix}")
    write(beside, [f.name for f in fields(Forecast)], [asdict(line) for line in lines])
    tables = page(rows, lines)
    if args.page:
        text = args.page.read_text("utf-8")
        args.page.write_text(MARKS.sub(lambda m: m[1] + tables + m[2], text), "utf-8")
    print(tables, end="")


if __name__ == "__main__":
    main()
