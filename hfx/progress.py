"""What a person watching a run sees: one line rewritten in a terminal, plain lines elsewhere."""

import math
import shutil
import time
from typing import TextIO

from hfx.run import Run

MEMORY = 0.9  # of the running means shown, which single batches would make jump
BLINK = 0.2  # seconds between two rewritings of the line


class Progress:
    """Shows how a run goes.

    Attributes:
        stream: Where to; None is silence.
        max_minutes: Time limit of the run, for the minutes left.
        live: The stream is a terminal, where a line can be rewritten in place.
    """

    def __init__(self, stream: TextIO | None, max_minutes: float = float("inf")) -> None:
        self.stream = stream
        self.max_minutes = max_minutes
        self.live = stream is not None and stream.isatty()
        self.means: dict[str, float] = {}
        self.begun = self.shown = time.monotonic()
        self.first: tuple[int, float] | None = None

    def step(self, run: Run, row: dict[str, float], logged: bool) -> None:
        """Take in one finished step; show it in a terminal, or elsewhere if it was logged."""
        if self.first is None:
            self.first = (run.step, run.seconds)
        for key, value in row.items():
            if math.isfinite(value):
                self.means[key] = MEMORY * self.means.get(key, value) + (1 - MEMORY) * value
        if self.live and time.monotonic() - self.shown > BLINK:
            self.shown = time.monotonic()
            width = shutil.get_terminal_size().columns - 1
            self._write(f"\r{self.line(run)[:width]}\x1b[K")
        elif logged and not self.live:
            self._write(self.line(run) + "\n")

    def say(self, text: str) -> None:
        """Show something that stays."""
        self._write(f"\r{text}\x1b[K\n" if self.live else f"{text}\n")

    def line(self, run: Run) -> str:
        """Return the state of a run in one line: rates against their targets, losses, time."""
        rates = " ".join(
            f"{tier} {'-' if rate is None else f'{rate:.3f}'}/{target:g}"
            for tier, rate, target in zip(
                run.model.arch.tiers, run.rate.rates, run.rate.targets, strict=True
            )
        )
        parts = [f"step {run.step}/{run.settings.steps}", f"bpp {rates}"]
        parts += [
            f"{k} {self.means[k]:.4g}"
            for k in ("mse", "lpips", "uneven", "loss_d")
            if k in self.means
        ]
        parts.append(f"{run.seconds / 60:.1f} min, {self.minutes_left(run):.0f} left")
        return " | ".join(parts)

    def minutes_left(self, run: Run) -> float:
        """Return the minutes to the last step at this pace, or to the time limit."""
        step, seconds = self.first or (run.step, run.seconds)
        pace = (run.seconds - seconds) / max(1, run.step - step)
        limit = self.max_minutes - (time.monotonic() - self.begun) / 60
        return max(0.0, min(pace * (run.settings.steps - run.step) / 60, limit))

    def _write(self, text: str) -> None:
        if self.stream is not None:
            self.stream.write(text)
            self.stream.flush()
