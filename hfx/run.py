"""The state of a training run: made, saved, restored, so that the next step is the same."""

import copy
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, optim

from hfx import checkpoint
from hfx.compressor import Compressor
from hfx.config import Architecture, Training
from hfx.data import patches_of
from hfx.errors import WeightsError
from hfx.muon import Muon
from hfx.networks import Discriminator
from hfx.rate import RateController

WARM_STEPS = {"low": 300.0, "medium": 170.0, "high": 130.0}  # first steps of Q, grey levels


@dataclass
class Group:
    """Parameters that move at `factor` times the learning rate."""

    factor: float
    params: list[Tensor] = field(default_factory=list)


@dataclass
class Run:
    """Everything that a checkpoint must hold for the next step to be the same.

    Attributes:
        settings: How the run goes.
        model: E, G and the hyperprior.
        average: EMA of the model, the one that is evaluated and exported.
        optimizer: Adam on what the stage trains, but for what Muon has.
        muon: Muon on the 3x3 convolutions of the ladder's blocks; None where there are none.
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
    muon: Muon | None = None
    discriminator: Discriminator | None = None
    optimizer_d: optim.Optimizer | None = None
    step: int = 0
    seconds: float = 0.0

    def save(self, path: Path) -> None:
        """Write the whole state in one file."""
        tensors = checkpoint.gather("model", self.model)
        tensors |= checkpoint.gather("average", self.average)
        tensors |= checkpoint.gather_optimizer("optimizer", self.optimizer)
        if self.muon is not None:
            tensors |= checkpoint.gather_optimizer("optimizer_m", self.muon)
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
        if self.muon is not None:
            checkpoint.restore_optimizer("optimizer_m", self.muon, tensors)
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


def parameter_groups(model: Compressor, settings: Training) -> tuple[list[Group], list[Group]]:
    """Group what the stage trains by how fast it may move: for Adam, and for Muon.

    Muon has the 3x3 convolutions of the ladder's blocks. Of the rest the mixes, the head and the
    tail are right from the start and move slowly; gains and scale indices are logarithms of
    quantities that must cover octaves, and move fast. What the stage does not train is frozen
    here.
    """
    slow, level, fast, blocks = Group(0.3), Group(1.0), Group(10.0), Group(1.0)
    for name, p in model.named_parameters():
        frozen = settings.stage == 2 and not settings.joint and not name.startswith("generator.")
        p.requires_grad_(not frozen)
        if frozen:
            continue
        network, part = name.split(".")[0], name.split(".")[1:2]
        ladder = model.arch.ladder and network in ("encoder", "generator")
        if "log" in name.rpartition(".")[2] or name == "z_index":
            fast.params.append(p)
        elif ladder and part == ["stages"] and p.dim() == 4:
            blocks.params.append(p)
        elif ladder and part[0] in ("mixes", "head", "tail"):
            slow.params.append(p)
        else:
            level.params.append(p)
    return [g for g in (level, slow, fast) if g.params], [blocks] if blocks.params else []


def start(settings: Training, device: torch.device, pictures: list[np.ndarray]) -> Run:
    """Build a run at step 0, warm-started from the pictures' PCA in stage 1 unless told not to.

    Raises:
        HfxError: the losses name more or fewer tiers than the model has, or the settings change
            the architecture to one that cannot be.
    """
    torch.manual_seed(settings.seed)
    model = Compressor(settings.architecture())
    tiers = model.arch.tiers
    if model.arch.ladder and settings.warm and settings.stage == 1:
        model.warm_start(patches_of(pictures), tuple(WARM_STEPS[tier] for tier in tiers))
    model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    groups, blocks = parameter_groups(model, settings)
    for network in model.children():  # BatchNorm would go on learning in a network that is frozen
        network.train(any(p.requires_grad for p in network.parameters()))
    run = Run(
        settings=settings,
        model=model,
        average=copy.deepcopy(model).requires_grad_(False).eval(),
        optimizer=adam(groups, settings.lr, (0.9, 0.98)),
        muon=Muon([vars(group) for group in blocks], settings.lr) if blocks else None,
        rate=RateController.from_losses(settings.losses.for_tiers(tiers)),
    )
    if settings.stage == 2:
        run.discriminator = Discriminator(model.arch).to(device)
        group = Group(1.0, list(run.discriminator.parameters()))
        run.optimizer_d = adam([group], settings.lr_d, (0.5, 0.9))
    return run


def adam(groups: list[Group], lr: float, betas: tuple[float, float]) -> optim.Adam:
    """Return Adam in one kernel over all parameters: twice as fast on a CPU as one by one.

    It takes parameter, gradient and moments to lie in memory alike, unasked. Autograd sees to
    the gradients, `checkpoint.restore_optimizer` to the moments.
    """
    return optim.Adam([vars(group) for group in groups], lr=lr, betas=betas, fused=True)
