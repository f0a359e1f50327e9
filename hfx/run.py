"""The state of a training run: made, saved, restored, so that the next step is the same."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, optim

from hfx import checkpoint
from hfx.compressor import Compressor
from hfx.config import Architecture, Training
from hfx.data import patch_basis
from hfx.errors import WeightsError
from hfx.networks import Discriminator
from hfx.rate import RateController

WARM_STEPS = {"low": 190.0, "medium": 105.0, "high": 75.0}  # first steps of Q, grey levels


@dataclass
class Run:
    """Everything that a checkpoint must hold for the next step to be the same.

    Attributes:
        settings: How the run goes.
        model: E, G and the hyperprior.
        average: EMA of the model, the one that is evaluated and exported.
        optimizer: Adam on what the stage trains.
        rate: The zeta' controller.
        discriminator: D; None in stage 1.
        optimizer_d: Adam on D.
        step: Steps done.
        seconds: Time spent on them, over all invocations.
    """

    settings: Training
    model: Compressor
    average: Compressor
    optimizer: optim.Optimizer
    rate: RateController
    discriminator: Discriminator | None = None
    optimizer_d: optim.Optimizer | None = None
    step: int = 0
    seconds: float = 0.0

    def save(self, path: Path) -> None:
        """Write the whole state in one file."""
        tensors = checkpoint.gather("model", self.model)
        tensors |= checkpoint.gather("average", self.average)
        tensors |= checkpoint.gather_optimizer("optimizer", self.optimizer)
        if self.discriminator is not None and self.optimizer_d is not None:
            tensors |= checkpoint.gather("discriminator", self.discriminator)
            tensors |= checkpoint.gather_optimizer("optimizer_d", self.optimizer_d)
        meta = {
            "settings": self.settings.to_dict(),
            "architecture": self.model.arch.to_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "rates": self.rate.rates,
        }
        checkpoint.write(path, tensors, meta)

    def load(self, path: Path) -> None:
        """Restore the state.

        Raises:
            WeightsError: the file is no run's, or of one that trains something else.
        """
        tensors, meta = checkpoint.read(path)
        if not {"settings", "step", "seconds", "rates"} <= meta.keys():
            raise WeightsError(f"{path} is not the checkpoint of a run")
        known = {f: meta["settings"].get(f) for f in ("preset", "stage", "joint", "tier")}
        wanted = {f: getattr(self.settings, f) for f in known}
        if known == wanted:  # what is changed from the preset may differ, too
            known = Architecture.from_dict(meta["architecture"]).to_dict()
            wanted = self.model.arch.to_dict()
        for name, theirs in known.items():
            if theirs != wanted[name]:
                raise WeightsError(f"{path} is of a run with {name} {theirs}, not {wanted[name]}")
        checkpoint.restore("model", self.model, tensors)
        checkpoint.restore("average", self.average, tensors)
        checkpoint.restore_optimizer("optimizer", self.optimizer, tensors)
        if self.discriminator is not None and self.optimizer_d is not None:
            checkpoint.restore("discriminator", self.discriminator, tensors)
            checkpoint.restore_optimizer("optimizer_d", self.optimizer_d, tensors)
        self.step, self.seconds = meta["step"], meta["seconds"]
        self.rate.rates = meta["rates"]

    def start_from(self, path: Path) -> None:
        """Take another run's averaged weights and nothing else, as stage 2 does from stage 1.

        Raises:
            WeightsError: the file is no run's, or of another architecture.
        """
        tensors, _ = checkpoint.read(path)
        checkpoint.restore("average", self.average, tensors)
        self.model.load_state_dict(self.average.state_dict())

    @torch.no_grad()
    def follow(self) -> None:
        """Move the averaged weights towards the model's; quickly while the run is young.

        What BatchNorm remembers of its batches is averaged like a weight.
        """
        keep = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        averaged: list[Tensor] = list(self.average.parameters())
        current: list[Tensor] = list(self.model.parameters())
        for ours, theirs in zip(self.average.buffers(), self.model.buffers(), strict=True):
            if ours.is_floating_point():
                averaged.append(ours)
                current.append(theirs)
            else:
                ours.copy_(theirs)  # a count of batches
        torch._foreach_lerp_(averaged, current, 1 - keep)


def parameter_groups(model: Compressor, settings: Training) -> list[dict[str, Any]]:
    """Group what the stage trains by how fast it may move, relative to the learning rate.

    The linear path is right from the start and moves slowly; gains and scale indices are
    logarithms of quantities that must cover octaves, and move fast; so does G's look at the linear
    picture, which starts at zero among features much larger than pixels. What the stage does not
    train is frozen here.
    """
    groups: dict[float, list[Tensor]] = {1.0: [], 0.1: [], 10.0: []}
    for name, p in model.named_parameters():
        frozen = settings.stage == 2 and not settings.joint and not name.startswith("generator.")
        p.requires_grad_(not frozen)
        if not frozen:
            fast = name.startswith("log2_") or name == "z_index" or ".look." in name
            groups[10.0 if fast else 0.1 if ".linear." in name else 1.0].append(p)
    return [{"params": params, "factor": factor} for factor, params in groups.items() if params]


def start(settings: Training, device: torch.device, pictures: list[np.ndarray]) -> Run:
    """Build a run at step 0, warm-started from the pictures' PCA in stage 1 unless told not to.

    Raises:
        HfxError: the losses name more or fewer tiers than the model has, or the settings change
            the architecture to one that cannot be.
    """
    torch.manual_seed(settings.seed)
    model = Compressor(settings.architecture())
    tiers = model.arch.tiers
    if model.arch.linear_path and settings.warm and settings.stage == 1:
        basis, std = patch_basis(pictures, model.arch.latent)
        model.warm_start(basis, std, tuple(WARM_STEPS[tier] for tier in tiers))
    model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    groups = parameter_groups(model, settings)
    for network in model.children():  # BatchNorm would go on learning in a network that is frozen
        network.train(any(p.requires_grad for p in network.parameters()))
    run = Run(
        settings=settings,
        model=model,
        average=copy.deepcopy(model).requires_grad_(False).eval(),
        optimizer=adam(groups, settings.lr, (0.9, 0.98)),
        rate=RateController.from_losses(settings.losses.for_tiers(tiers)),
    )
    if settings.stage == 2:
        run.discriminator = Discriminator(model.arch).to(device)
        group = {"params": list(run.discriminator.parameters()), "factor": 1.0}
        run.optimizer_d = adam([group], settings.lr_d, (0.5, 0.9))
    return run


def adam(groups: list[dict[str, Any]], lr: float, betas: tuple[float, float]) -> optim.Adam:
    """Return Adam in one kernel over all parameters: twice as fast on a CPU as one by one.

    It takes parameter, gradient and moments to lie in memory alike, unasked. Autograd sees to
    the gradients, `checkpoint.restore_optimizer` to the moments.
    """
    return optim.Adam(groups, lr=lr, betas=betas, fused=True)
