"""What a piece of work costs: seconds, and memory over what the process held before."""

import ctypes
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

R = TypeVar("R")
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
WHY_NO_MEMORY = "peak memory is read from /proc/self, which only Linux has"


@dataclass(frozen=True)
class Spent(Generic[R]):
    """What came of some work, and what it cost.

    Attributes:
        result: What the work returned.
        seconds: Wall-clock time.
        memory_mb: By how many MB (10^6 bytes) the resident memory of the whole process rose at
            most; None where the system does not tell.
    """

    result: R
    seconds: float
    memory_mb: float | None


def spent(work: Callable[[], R]) -> Spent[R]:
    """Do some work once and measure it.

    The high-water mark of the resident set is put back first, and free memory that glibc holds
    is returned, or work that reuses it would seem to need none. Python, torch and the weights
    are in memory already and do not count.
    """
    before = _start()
    begun = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - begun
    peak = None if before is None else _kilobytes("VmHWM")
    memory = None if peak is None or before is None else max(0, peak - before) * 1024 / 1e6
    return Spent(result, seconds, memory)


def _start() -> int | None:
    """Put the high-water mark at what is resident now, in kB, and return that."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        RESET.write_text("5")
    except OSError:
        return None
    return _kilobytes("VmRSS")


def _kilobytes(field: str) -> int | None:
    try:
        for line in STATUS.read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return None
