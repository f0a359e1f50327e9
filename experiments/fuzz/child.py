"""A process that decodes mutants under limits, and another that takes its place if it dies."""

import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from experiments.fuzz.judge import FINE, Judge, slug
from experiments.fuzz.mutants import corpus, mutant
from hfx.codec import load

PATIENCE = 60  # times five seconds without a word: a process that was stopped loses one of them


class Limits(NamedTuple):
    """What one file may cost."""

    seconds: float  # of CPU
    megabytes: int  # of address space, beyond what the process has at the start


class Seen(NamedTuple):
    """One mutant and what became of it."""

    number: int
    kind: str
    outcome: str
    cause: str
    seconds: float
    data: bytes


def run(weights: Path | None, numbers: range, seed: int, limits: Limits) -> Iterator[Seen]:
    """Yield a `Seen` for every mutant; the child that died of one is replaced."""
    context = multiprocessing.get_context("spawn")
    at = numbers.start
    while at < numbers.stop:
        ours, theirs = context.Pipe(duplex=False)
        arguments = (theirs, weights, range(at, numbers.stop), seed, limits)
        child = context.Process(target=work, args=arguments, daemon=True)
        child.start()
        theirs.close()
        try:
            while at < numbers.stop and any(ours.poll(5.0) for _ in range(PATIENCE)):
                yield ours.recv()
                at += 1
            child.kill()  # a hang, or nothing left to do
        except EOFError:
            pass
        child.join()
        if child.exitcode == 1:
            raise SystemExit("the child failed; see above")
        if at < numbers.stop:
            hung = child.exitcode in (-signal.SIGPROF, -signal.SIGKILL)
            outcome = "hang" if hung else f"killed by signal {-(child.exitcode or 0)}"
            yield Seen(at, "unknown", outcome, f"repeat with --first {at} --n 1", 0.0, b"")
            at += 1


def work(out: Connection, weights: Path | None, numbers: range, seed: int, limits: Limits) -> None:
    """Judge mutants one by one, in a process of its own, and tell of each."""
    codec = load(weights)
    files = corpus(codec)
    judge = Judge(codec, files)
    room = memory() + limits.megabytes * (1 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    causes = set()
    for number in numbers:
        kind, data = mutant(files, number, seed)
        begun = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, limits.seconds)  # whose signal ends the process
        outcome, cause = judge.verdict(data)
        signal.setitimer(signal.ITIMER_PROF, 0)
        spent = time.process_time() - begun
        new = outcome not in FINE or (outcome == "refused" and slug(cause) not in causes)
        causes.add(slug(cause))
        out.send(Seen(number, kind, outcome, cause, spent, data if new else b""))
    out.close()


def memory() -> int:
    """Return the bytes of address space that this process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
