"""Who minds the runs of a server: one process at a time, a short queue, and nobody left behind."""

import atexit
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import hfx
from hfx.errors import HfxError
from hfx.lab import folder
from hfx.lab.folder import DONE, FAILED, PAUSED, RUNNING, STARTING, WAITING, LabRun
from hfx.lab.settings import Settings

RUN, PAUSE, STEP, STOP = "run", "pause", "step", "stop"  # what `hfx.lab.worker` understands
QUEUE = 4  # runs that may wait
GRACE = 10.0  # seconds in which a process ends by itself


@dataclass(eq=False)
class Seat:
    """The one process, and what it works on.

    Attributes:
        run: What it trains.
        process: The process.
        idle: It was told to pause, and only keeps everything at hand for the next step.
        told: How many commands it was given.
    """

    run: LabRun
    process: subprocess.Popen[str]
    idle: bool = False
    told: int = 0

    def tell(self, word: str) -> None:
        """Tell it what to do; whoever has just ended hears nothing."""
        self.idle = word != RUN
        self.told += 1
        with suppress(OSError, ValueError):
            assert self.process.stdin is not None
            self.process.stdin.write(word + "\n")
            self.process.stdin.flush()


class Keeper:
    """Starts, pauses and ends runs. It may be asked by several visitors at once.

    Attributes:
        root: Where the runs lie.
        seat: The process, where there is one.
        queue: Runs that wait for it, with what each is to do.
    """

    def __init__(self, root: Path) -> None:
        """Begin by ending what a server that is no more has left at work."""
        self.root = root
        self.guard = threading.RLock()
        self.seat: Seat | None = None
        self.queue: list[tuple[LabRun, str]] = []
        sweep(root)
        atexit.register(self.close)

    @property
    def training(self) -> LabRun | None:
        """The run that is being trained at this moment."""
        seat = self.seat
        free = seat is None or seat.idle or seat.run.state.name in (DONE, FAILED)
        return None if free or seat is None else seat.run

    def pending(self, run: LabRun) -> bool:
        """Say whether a run has yet to do something that it was told."""
        seat = self.seat
        return seat is not None and seat.run.id == run.id and run.state.heard < seat.told

    def place(self, run: LabRun) -> int | None:
        """Return how many are before a waiting run; None if it does not wait."""
        ids = [waiting.id for waiting, _ in self.queue]
        return ids.index(run.id) if run.id in ids else None

    # --- what visitors want

    def start(self, title: str, settings: Settings, start: str | None = None) -> LabRun:
        """Begin a new run, or put it into the queue.

        A stage 2 that starts from no other run gets a short stage 1 first.

        Args:
            title: What is particular about it.
            settings: What to do.
            start: The run of stage 1 that stage 2 starts from.

        Raises:
            HfxError: too many runs wait already, or are kept.
        """
        with self.guard:
            alone = settings.stage == 1 or start is not None
            self._refuse_if_full(1 if alone else 2)
            if not alone:
                start = folder.create(self.root, f"{title}: its stage 1", settings.first).id
            run = folder.create(self.root, title, settings, start)
            self.ask(run, RUN)
            return run

    def ask(self, run: LabRun, word: str = RUN) -> None:
        """Have a run go on, or do one step or a phase of it.

        Raises:
            HfxError: another run is in the way, or another server works on this one.
        """
        with self.guard:
            if self.seat is not None and self.seat.run.id == run.id:
                self.seat.tell(word)
                return
            if self.place(run) is not None:
                return
            if folder.holder(run.folder) is not None:
                raise HfxError(f"run {int(run.id)} is at work on another server; pause it there")
            if word != RUN and (self.training is not None or self.queue):
                raise HfxError("another run is training: pause it before you take single steps")
            self._refuse_if_full(1)
            first = self._first(run)
            if first is not None:
                self.ask(first, RUN)
            run.turn(WAITING)
            self.queue.append((run, word))
            if self.seat is None:
                self._next()
            elif self.seat.idle:
                self.seat.tell(STOP)

    def pause(self, run: LabRun) -> None:
        """Pause a run, or take it out of the queue, and with it what waits for its end."""
        with self.guard:
            gone = [waiting for waiting, _ in self.queue if run.id in (waiting.id, waiting.start)]
            self.queue = [(w, word) for w, word in self.queue if w not in gone]
            for waiting in gone:
                waiting.turn(PAUSED)
            if self.seat is not None and self.seat.run.id == run.id:
                self.seat.tell(STOP if self.queue else PAUSE)

    def delete(self, run: LabRun) -> None:
        """Delete a run.

        Raises:
            HfxError: it is being trained.
        """
        with self.guard:
            seat = self.seat
            if seat is not None and seat.run.id == run.id and seat.idle:
                seat.tell(STOP)
                seat.process.wait(GRACE)
            folder.delete(run)
            self.queue = [(waiting, word) for waiting, word in self.queue if waiting.id != run.id]

    def close(self) -> None:
        """End the process, its checkpoint written, and forget the queue."""
        with self.guard:
            atexit.unregister(self.close)
            for run, _ in self.queue:
                run.turn(PAUSED, "the server ended")
            self.queue, seat = [], self.seat
        if seat is not None:
            seat.tell(STOP)
            try:
                seat.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                seat.process.kill()
                seat.process.wait()

    # --- the process

    def _refuse_if_full(self, more: int) -> None:
        room = QUEUE - len(self.queue) + (self.seat is None or self.seat.idle)
        if more > room:
            raise HfxError(f"{len(self.queue)} runs wait already; pause or delete some")

    def _first(self, run: LabRun) -> LabRun | None:
        """Return the stage 1 that must be done before a run can begin."""
        if run.start is None or run.resumable:
            return None
        first = folder.read(self.root / run.start)
        return first if first.state.name in (WAITING, PAUSED) else None

    def _next(self) -> None:
        """Give the seat to who waits."""
        while self.queue and self.seat is None:
            run, word = self.queue.pop(0)
            if run.start is not None and not run.resumable:
                failed = folder.read(self.root / run.start).state.name != DONE
                if failed:
                    run.turn(FAILED, f"run {int(run.start)}, which it starts from, was not done")
                    continue
            run.turn(STARTING)
            try:
                self.seat = Seat(run, process_of(run))
            except OSError as error:  # this machine has not enough memory for it, mostly
                run.turn(FAILED, f"no process could be started: {error.strerror or error}")
                continue
            self.seat.tell(word)
            threading.Thread(target=self._watch, args=(self.seat,), daemon=True).start()

    def _watch(self, seat: Seat) -> None:
        code = seat.process.wait()
        with suppress(OSError):
            assert seat.process.stdin is not None
            seat.process.stdin.close()
        with self.guard:
            if seat.run.state.name in (STARTING, RUNNING):  # it had no time to say why it ended
                killed = code < 0 and seat.run.resumable
                seat.run.turn(PAUSED if killed else FAILED, why(seat.run, code))
            self.seat = None
            self._next()


def process_of(run: LabRun) -> subprocess.Popen[str]:
    """Start a run's process, on one thread, deaf to the Ctrl-C that ends a server."""
    paths = [str(Path(hfx.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    more = {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    more |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    with open(run.folder / "output.txt", "ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "hfx.lab.worker", str(run.folder)],
            stdin=subprocess.PIPE, stdout=output, stderr=output, text=True,
            env=os.environ | more, start_new_session=True,
        )  # fmt: skip


def why(run: LabRun, code: int) -> str:
    """Say why a process ended that did not say so itself."""
    if code < 0:
        return f"its process was ended by signal {-code}"
    try:
        last = (run.folder / "output.txt").read_text("utf-8", "replace").strip().splitlines()[-1]
    except (OSError, IndexError):
        last = f"its process ended with {code}"
    return last


# --- what a server that is no more has left


def sweep(root: Path) -> None:
    """End processes whose server is gone, and say so of runs that none works on any more."""
    for run in folder.runs_in(root):
        found = folder.holder(run.folder)
        if found is not None:
            process, server = found
            if server != os.getpid() and alive(server):
                continue  # another server minds it
            end(process, run.folder)
        if found is not None or run.state.active:
            run.turn(PAUSED, "the server ended")


def alive(process: int) -> bool:
    """Say whether there is such a process."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def end(process: int, path: Path) -> None:
    """End the process that holds a run's lock: with a checkpoint if it can, by force if not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(process, number)
        except ProcessLookupError:
            return
        with folder.hold(path, patience=GRACE) as free:
            if free:
                return
