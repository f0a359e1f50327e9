"""Several processes and one will to stop: what torchrun and the operating system ask for."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor


def join(device: torch.device | None = None) -> tuple[torch.device, int, int]:
    """Return (device, rank, world), joining the group that torchrun announces, if it does.

    Without a device the GPU is taken if there is one: under torchrun each process its own.
    """
    if device is None:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        return device, 0, 1
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device, dist.get_rank(), dist.get_world_size()


def wait() -> None:
    """Let every process get here: one that left before the others now and then took them down."""
    if dist.is_initialized():
        dist.barrier()


def end(code: int) -> NoReturn:
    """Leave Python; in a group at once.

    Gloo's threads now and then abort a process that takes them down in an orderly way.
    """
    if dist.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def total(values: Tensor) -> Tensor:
    """Return the sum over all processes."""
    if dist.is_initialized():
        values = values.clone()
        dist.all_reduce(values)
    return values


def any_of_us(wish: bool, device: torch.device) -> bool:
    """Say whether any process wishes it, so that all stop after the same step."""
    if not dist.is_initialized():
        return wish
    return bool(total(torch.tensor(int(wish), device=device)) > 0)


class Interruption:
    """Ctrl-C and SIGTERM become a wish to stop after this step; a second one is obeyed at once.

    Outside the main thread, where Python delivers no signals, the wish never comes.

    Attributes:
        wanted: A signal has come.
    """

    def __init__(self) -> None:
        self.wanted = False
        self.before: dict[int, Callable[..., Any] | int | None] = {}

    def __enter__(self) -> "Interruption":
        """Take over both signals."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self.note)
        return self

    def note(self, number: int, frame: FrameType | None) -> None:
        """Remember the wish and give both signals their old meaning back."""
        self.wanted = True
        self.restore()

    def restore(self) -> None:
        """Give both signals their old meaning back."""
        while self.before:
            signal.signal(*self.before.popitem())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give both signals their old meaning back."""
        self.restore()
