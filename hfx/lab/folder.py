"""A run of the laboratory on disk: what it was told, how it is, and what it left to look at.

A folder holds settings.json, state.json, checkpoint.safetensors, log.csv, lock, output.txt, and
in shots/ original.png, 000120.png and so on, with bits and PSNR of each in log.csv.
"""

import csv
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hfx.errors import HfxError
from hfx.files import atomic_write
from hfx.lab.settings import Settings

WAITING, STARTING, RUNNING = "waiting", "starting", "running"
PAUSED, DONE, FAILED = "paused", "done", "failed"
ACTIVE = (WAITING, STARTING, RUNNING)
CHECKPOINT = "checkpoint.safetensors"
MOST = 60  # runs that are kept; each takes a few megabytes


@dataclass(frozen=True)
class State:
    """How a run is.

    Attributes:
        name: One of the words above.
        step: Steps done.
        seconds: Time spent on them.
        reason: Why it is so, where that is not plain.
        heard: Commands that its process has followed.
    """

    name: str
    step: int = 0
    seconds: float = 0.0
    reason: str = ""
    heard: int = 0

    @property
    def active(self) -> bool:
        """Whether it will change by itself."""
        return self.name in ACTIVE


@dataclass(frozen=True)
class LabRun:
    """A run, known by its folder.

    Attributes:
        folder: Where it lies; its name is the run's.
        title: What is particular about it.
        settings: What it was told.
        start: The stage 1 run that a stage 2 begins with.
    """

    folder: Path
    title: str
    settings: Settings
    start: str | None = None

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def name(self) -> str:
        """How people call it."""
        return f"{int(self.id)}: {self.title}"

    # --- how it is

    @property
    def state(self) -> State:
        """How it is; a run that never said so waits."""
        try:
            values = json.loads((self.folder / "state.json").read_text("utf-8"))
            return State(**values)
        except (OSError, ValueError, TypeError):
            return State(WAITING)

    def tell(self, state: State) -> None:
        """Say how it is."""
        atomic_write(self.folder / "state.json", json.dumps(asdict(state)).encode())

    def turn(self, name: str, reason: str = "") -> None:
        """Change its state and nothing else."""
        self.tell(replace(self.state, name=name, reason=reason, heard=0))

    @property
    def resumable(self) -> bool:
        """Whether it can go on from a checkpoint."""
        return (self.folder / CHECKPOINT).exists()

    # --- what it left

    def curves(self) -> dict[str, NDArray[np.float64]]:
        """Return the columns of its log, one value a step; nan where a step has none."""
        return table(self.folder / "log.csv")

    def measures(self) -> dict[str, NDArray[np.float64]]:
        """Return step, bpp and psnr of the picture it is not trained on."""
        return table(self.folder / "shots" / "log.csv")

    def shots(self) -> list[int]:
        """Return the steps of which there are pictures."""
        return sorted(int(p.stem) for p in (self.folder / "shots").glob("[0-9]*.png"))

    def shot(self, step: int | None) -> bytes:
        """Return a picture of `shots` as a PNG, None for the original.

        Raises:
            HfxError: it is gone.
        """
        name = "original.png" if step is None else shot_name(step)
        try:
            return (self.folder / "shots" / name).read_bytes()
        except OSError as error:
            raise HfxError(f"run {self.id} lacks its picture {name}: {error.strerror}") from error


def shot_name(step: int) -> str:
    """Return the name of a picture's file."""
    return f"{step:06d}.png"


def table(path: Path) -> dict[str, NDArray[np.float64]]:
    """Read a log that may be written to at this moment; nothing where there is none."""
    try:
        text = path.read_text("utf-8")
    except OSError:
        return {}
    lines = text[: text.rfind("\n") + 1].splitlines()
    if not lines:
        return {}
    names, *rows = csv.reader(lines)
    values = [[float(cell) if cell else np.nan for cell in row] for row in rows]
    columns = np.array(values, float).reshape(-1, len(names)).T
    return dict(zip(names, columns, strict=True))


# --- all runs


def lab_folder() -> Path:
    """Return where runs lie: the folder that HFX_LAB names, or else runs/lab."""
    return Path(os.environ.get("HFX_LAB") or "runs/lab")


def runs_in(root: Path) -> list[LabRun]:
    """Return the runs in a folder, the newest first; what is damaged is left out."""
    found = []
    for path in sorted(root.glob("[0-9]*"), reverse=True):
        try:
            found.append(read(path))
        except HfxError:
            continue
    return found


def read(folder: Path) -> LabRun:
    """Return the run in a folder; raises HfxError where there is none, or a damaged one."""
    try:
        facts = json.loads((folder / "settings.json").read_text("utf-8"))
        settings, start = Settings.from_dict(facts["settings"]), facts["start"]
        if start is not None and not start.isdecimal():  # a folder may come from anyone
            raise ValueError("it starts from outside the laboratory")
        return LabRun(folder, str(facts["title"]), settings, start)
    except FileNotFoundError as error:
        raise HfxError(f"there is no run {folder.name}") from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise HfxError(f"{folder} is no run of the laboratory ({error}); delete it") from error


def create(root: Path, title: str, settings: Settings, start: str | None = None) -> LabRun:
    """Make the folder of a new run.

    Raises:
        HfxError: there are too many already, or it cannot be written.
    """
    numbers = [int(path.name) for path in root.glob("[0-9]*") if path.name.isdigit()]
    if len(numbers) >= MOST:
        raise HfxError(f"{len(numbers)} runs are kept already; delete some")
    number = max(numbers, default=0)
    try:
        while True:
            number += 1
            folder = root / f"{number:04d}"
            try:
                folder.mkdir(parents=True)
                break
            except FileExistsError:  # another server was faster
                continue
    except OSError as error:
        raise HfxError(f"cannot write to {root}: {error.strerror or error}") from error
    run = LabRun(folder, title, settings, start)
    facts = {"title": title, "settings": settings.to_dict(), "start": start}
    run.tell(State(WAITING))
    atomic_write(folder / "settings.json", json.dumps(facts, indent=1).encode())
    return run


def delete(run: LabRun) -> None:
    """Delete a run and everything that it left; raises HfxError while a process works on it."""
    with hold(run.folder) as mine:
        if not mine:
            raise HfxError(f"run {int(run.id)} is at work; pause it before you delete it")
        shutil.rmtree(run.folder, ignore_errors=True)


# --- one process for one run


@contextmanager
def hold(folder: Path, patience: float = 0.0) -> Iterator[bool]:
    """Hold a run's lock if no other process does; the system lets go of it when a process ends.

    While it is held, the file says who holds it: the process and the server that started it.

    Args:
        folder: The run's.
        patience: Seconds to wait for it.
    """
    with open(folder / "lock", "a+") as file:
        mine, until = False, time.monotonic() + patience
        while not mine:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mine = True
            except BlockingIOError:
                if time.monotonic() >= until:
                    break
                time.sleep(0.05)
        if mine:
            file.truncate(0)
            file.write(f"{os.getpid()} {os.getppid()}")
            file.flush()
        yield mine


def holder(folder: Path) -> tuple[int, int] | None:
    """Return the processes of a run that is at work, its own and its server's; None if none is."""
    with hold(folder) as mine:
        if mine:
            return None
    try:
        own, server = (folder / "lock").read_text().split()
        return int(own), int(server)
    except (OSError, ValueError):
        return None  # it ended at this very moment
