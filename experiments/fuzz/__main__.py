"""Decode damaged and forged files by the hundred thousand, and count what becomes of them.

    python -m experiments.fuzz --n 100000 --out data/results/fuzz.csv

A child process decodes, under limits: seconds of CPU a file, and memory beyond what it had when
the valid files were decoded. A mutant is fine if it is refused with BitstreamError, or if its
picture is the right one; anything else (another error, a wrong picture, a hang, memory over the
limit, a crash) is a fault, is named with its number, and makes the exit status 1. The same
`--seed` makes the same mutants; `--first` repeats one. `--keep` writes a file for each fault and
for each cause of refusal: that is how tests/fuzz was made.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

from experiments.fuzz.child import Limits, Seen, run
from experiments.fuzz.judge import FINE, slug
from hfx.console import progress
from hfx.files import atomic_write
from hfx.folders import make_room
from hfx.results import write

NAMES = ("kind", "outcome", "files", "slowest_ms")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, default=100_000, help="mutants")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path, help="the codec's, by default those shipped")
    parser.add_argument("--seconds", type=float, default=5.0, help="of CPU a file may take")
    parser.add_argument("--megabytes", type=int, default=1024, help="a file may take")
    parser.add_argument("--out", type=Path, help="the CSV to write")
    parser.add_argument("--keep", type=Path, help="folder for a file of each cause")
    given = parser.parse_args(arguments)
    limits = Limits(given.seconds, given.megabytes)
    numbers = range(given.first, given.first + given.n)

    counts: dict[tuple[str, str], int] = defaultdict(int)
    slowest: dict[tuple[str, str], float] = defaultdict(float)
    faults = 0
    with progress("decoding mutants", given.n) as step:
        for seen in run(given.weights, numbers, given.seed, limits):
            key = seen.kind, seen.outcome
            counts[key] += 1
            slowest[key] = max(slowest[key], seen.seconds)
            if seen.outcome not in FINE:
                faults += 1
                print(f"{seen.number}: {seen.kind}: {seen.outcome}: {seen.cause}", flush=True)
            if given.keep is not None and seen.data:
                keep(given.keep, seen)
            step()
    rows = [
        dict(zip(NAMES, (*key, count, 1000 * slowest[key]), strict=True))
        for key, count in sorted(counts.items())
    ]
    if given.out is not None:
        make_room(given.out)
        write(given.out, NAMES, rows)
    for outcome in sorted({outcome for _, outcome in counts}):
        total = sum(count for key, count in counts.items() if key[1] == outcome)
        print(f"{outcome}: {total}")
    print(f"slowest: {max(slowest.values(), default=0):.2f} s; faults: {faults} of {given.n}")
    return 1 if faults else 0


def keep(folder: Path, seen: Seen) -> None:
    """Write a mutant that is the first with its cause; the smallest would take another search."""
    path = folder / f"{slug(seen.cause or seen.outcome)}.hfx"
    if not path.exists():
        make_room(path)
        atomic_write(path, seen.data)


if __name__ == "__main__":
    sys.exit(main())
