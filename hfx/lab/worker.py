"""The process of one run: it trains, and does what it is told on its standard input.

    python -m hfx.lab.worker runs/lab/0007

One word a line: run, pause, step, G, D, stop. A step, or one of its phases G and D alone, leaves
it paused. When the input ends, as it does with the server at its other end, it stops.
"""

import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hfx.data import Crops
from hfx.errors import HfxError
from hfx.files import atomic
from hfx.lab import photographs
from hfx.lab.folder import (
    CHECKPOINT,
    DONE,
    FAILED,
    PAUSED,
    RUNNING,
    STARTING,
    LabRun,
    State,
    hold,
    read,
    shot_name,
)
from hfx.lab.keeper import PAUSE, RUN, STEP, STOP
from hfx.lab.settings import without_lpips
from hfx.log import Log, columns_of
from hfx.run import start
from hfx.step import DISCRIMINATOR, GENERATOR, train_step
from hfx.train import perceptual

PHASES = {STEP: GENERATOR + DISCRIMINATOR, GENERATOR: GENERATOR, DISCRIMINATOR: DISCRIMINATOR}
CPU = torch.device("cpu")

NICE = 10
SAVE, SAY = 30.0, 0.5  # seconds between checkpoints, and between two words on how it goes
LOOK = 2.0  # seconds between two looks at whether the server is still there
IDLE = 600.0  # seconds that a paused run stays in memory
SHOT = 10  # steps between pictures, at least
EARLY = (1, 2, 5)  # and when much happens at once
SHOTS = 60  # of a run, about
PATIENCE = 10  # steps with a loss that is no number, until that is the end
LOST = 12.0  # dB below the first PSNR: what is left is a grey picture
MERCY = 50  # steps in which it may come back


class Worker:
    """A run and the loop that trains it.

    Attributes:
        lab: What to do, and where to leave what came of it.
        commands: What it is told.
        heard: How many of them it has followed.
        running: Whether it goes on by itself.
    """

    def __init__(self, lab: LabRun, commands: SimpleQueue[str]) -> None:
        """Load everything that a step needs.

        Raises:
            HfxError: something is missing, or the run cannot be as its settings have it.
        """
        self.lab, self.commands, self.running = lab, commands, False
        self.heard = 0
        lab.turn(STARTING)
        training = lab.settings.training
        missing = without_lpips() if training.losses.k_P else None
        if missing:
            raise HfxError(missing)
        pictures = photographs.train()
        going_on = lab.resumable
        self.run = start(replace(training, warm=not going_on), CPU, pictures)
        self.run.settings = training
        if going_on:
            self.run.load(lab.folder / CHECKPOINT)
        elif training.stage == 2:
            if lab.start is None:
                raise HfxError("stage 2 starts from a run of stage 1: choose one")
            self.run.start_from(lab.folder.parent / lab.start / CHECKPOINT)
        arch = self.run.model.arch
        latents = (arch.latent, arch.hyper)
        self.crops = Crops(pictures, training.crop, training.batch, latents, 1, training.seed)
        self.lpips = perceptual(training, CPU) if training.losses.k_P else []
        self.x = torch.from_numpy(photographs.face()).permute(2, 0, 1)[None].float() / 255

        done = self.run.step
        self.log = Log(lab.folder, columns_of(self.run), keep=done)
        self.measures = Log(lab.folder / "shots", ["bpp", "psnr"], keep=done)
        for step in lab.shots():
            if step > done:
                (lab.folder / "shots" / shot_name(step)).unlink()
        self.first = next(iter(lab.measures()["psnr"]), None)
        self.no_number = 0  # steps in a row
        self.saved = self.said = time.monotonic()
        if not going_on:
            write_png(lab.folder / "shots" / "original.png", self.x)
            self.shoot()
            self.save()

    def serve(self) -> None:
        """Follow commands until the last step, or until told to stop."""
        server, idle = os.getppid(), time.monotonic()
        self.say(PAUSED)
        while self.run.step < self.run.settings.steps:
            command = self.listen()
            self.heard += command is not None
            if command is None and self.running:
                self.step(PHASES[STEP])
                self.say(RUNNING, now=False)
            elif command == RUN:
                self.running = True
                self.say(RUNNING)
            elif command in PHASES:
                self.running = False
                self.step(PHASES[command])
            if command == STOP or os.getppid() != server or self.waited(idle):
                self.rest()
                return
            if command == PAUSE or command in PHASES:
                self.rest()
            if self.running or command:
                idle = time.monotonic()
        self.rest(DONE)

    def listen(self) -> str | None:
        """Return the next command; wait for one where there is nothing else to do."""
        try:
            return self.commands.get(not self.running, None if self.running else LOOK)
        except Empty:
            return None

    def waited(self, since: float) -> bool:
        """Say whether it was paused for so long that its memory may serve others."""
        return not self.running and time.monotonic() - since > IDLE

    # --- training

    def step(self, phases: str) -> None:
        """Do one step, or a phase of it on a batch of its own."""
        begun, run = time.monotonic(), self.run
        batch = self.crops.at(run.step, CPU)
        row = train_step(run, run.model, run.discriminator, self.lpips, batch, phases)
        run.step += 1
        if GENERATOR in phases:
            run.follow()
        run.seconds += time.monotonic() - begun
        self.log.add(row)
        self.log.write(run.step, run.seconds)
        every = max(SHOT, run.settings.steps // SHOTS)
        if run.step in EARLY or run.step % every == 0:
            self.shoot()
        self.no_number = 0 if np.isfinite(row["loss"]) else self.no_number + 1
        if self.no_number == PATIENCE:
            raise self.diverged(f"the loss has been no number for {PATIENCE} steps")
        if time.monotonic() - self.saved > SAVE:
            self.save()

    def diverged(self, how: str) -> HfxError:
        """Return what to say of a run that leads nowhere."""
        self.say(RUNNING)  # how far it came
        return HfxError(f"diverged by step {self.run.step}: {how}; a lower learning rate may help")

    @torch.inference_mode()
    def shoot(self) -> None:
        """Show the averaged weights a photograph that they are not trained on, and keep it."""
        step, out = self.run.step, self.run.average(self.x, torch.zeros(1))
        x_hat = out.x_hat.nan_to_num(0).clamp(0, 1)
        write_png(self.lab.folder / "shots" / shot_name(step), x_hat)
        bpp = float(out.bits) / (self.x.shape[2] * self.x.shape[3])
        mse = (self.x - out.x_hat.clamp(0, 1)).square().mean()
        psnr = float(-10 * mse.log10())
        self.measures.add({"bpp": bpp, "psnr": psnr})
        self.measures.write(step, self.run.seconds)
        self.first = psnr if self.first is None else self.first
        if step >= MERCY and psnr < self.first - LOST:
            raise self.diverged(f"PSNR fell from {self.first:.1f} to {psnr:.1f} dB")

    # --- what others see

    def say(self, name: str, now: bool = True) -> None:
        """Say how it goes; now, or if it was not said lately."""
        if now or time.monotonic() - self.said > SAY:
            self.said = time.monotonic()
            self.lab.tell(State(name, self.run.step, self.run.seconds, heard=self.heard))

    def save(self) -> None:
        """Write a checkpoint."""
        self.run.save(self.lab.folder / CHECKPOINT)
        self.saved = time.monotonic()

    def rest(self, name: str = PAUSED) -> None:
        """Stop for a while or for good, and leave everything as it is now."""
        self.running = False
        if self.run.step not in self.lab.shots():
            self.shoot()
        self.save()
        self.say(name)


def write_png(path: Path, x: Tensor) -> None:
    """Write a picture, (1, 3, H, W) in [0, 1]."""
    pixels = x[0].mul(255).round().byte().permute(1, 2, 0).numpy()
    with atomic(path) as temporary:
        Image.fromarray(pixels).save(temporary)


def listen_to_input(commands: SimpleQueue[str]) -> None:
    """Pass on the standard input, line by line; `stop` when it ends or a signal asks for it."""

    def follow() -> None:
        for line in sys.stdin:
            commands.put(line.strip())
        commands.put(STOP)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: commands.put(STOP))
    threading.Thread(target=follow, name="commands", daemon=True).start()


def main(arguments: list[str]) -> int:
    """Train the run in a folder."""
    folder = Path(arguments[0])
    commands: SimpleQueue[str] = SimpleQueue()
    listen_to_input(commands)
    os.nice(NICE)
    torch.set_num_threads(1)  # the server and its visitors want the others
    try:
        lab = read(folder)
        with hold(folder, patience=5.0) as mine:
            if not mine:
                raise HfxError(f"another process works on run {folder.name}")
            try:
                Worker(lab, commands).serve()
            except (HfxError, OSError, MemoryError) as error:
                lab.turn(FAILED, str(error) or "this machine has not enough memory for it")
                raise
    except (HfxError, OSError, MemoryError) as error:
        print(f"hfx lab: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
