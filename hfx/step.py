"""One training step: stage 1 is Eq. 5, stage 2 is Eq. 6.

x -> model -> x_hat, y_hat, bits -> zeta' r + k_M MSE + k_P LPIPS [- alpha log D(x', y)]
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F

from hfx import processes
from hfx.data import Batch
from hfx.losses import (
    distortion,
    fooling,
    grid_error,
    mse255,
    rate_distortion,
    spotting,
    unevenness,
)
from hfx.run import Run

DRAWN = 0.25  # weight of a drawing: its hard edges cost ten times the MSE of a photograph
GENERATOR, DISCRIMINATOR = "G", "D"  # the phases of a step


def train_step(
    run: Run,
    model: nn.Module,
    judge: nn.Module | None,
    lpips: Sequence[nn.Module],
    batch: Batch,
    phases: str = GENERATOR + DISCRIMINATOR,
) -> dict[str, float]:
    """Do one step: the generator's phase (Eq. 5; with D Eq. 6) and, in stage 2, D's (Eq. 1).

    Args:
        run: State of the run; its optimizers and its rate controller move on.
        model: `run.model`, or what wraps it to share gradients between processes.
        judge: The same of `run.discriminator`.
        lpips: The perceptual distances, which take turns; none for k_P = 0.
        batch: This process's share of the global batch.
        phases: Which of them; whoever sits out is only measured.

    Returns what to log: means over the global batch.
    """
    settings, losses = run.settings, run.settings.losses
    device = batch.x.device.type
    half = torch.autocast(device, torch.bfloat16, enabled=settings.bf16)
    factor = settings.lr_at(run.step)
    pixels = batch.x.shape[2] * batch.x.shape[3]

    # --- generator: E, G and the hyperprior. D is frozen, so no gradient can reach it.
    if run.discriminator is not None:
        run.discriminator.requires_grad_(False)
    with half, torch.set_grad_enabled(GENERATOR in phases):
        out = model(batch.x, batch.tier.float(), (batch.noise_y, batch.noise_z))
        bpp = (out.bits_y + out.bits_z) / pixels  # (N,)
        mse = mse255(batch.x, out.x_hat)
        perceptual = torch.zeros_like(mse)
        if lpips:
            distance = lpips[run.step % len(lpips)]
            perceptual = distance(window(batch.x, batch.corner), window(out.x_hat, batch.corner))
        zetas = torch.tensor([run.rate.zeta(t) for t in range(len(run.rate.targets))])
        zeta = zetas.to(batch.x.device)[batch.tier]  # (N,)
        d = distortion(mse, perceptual, losses.k_M, losses.k_P)
        uneven = unevenness(batch.x, out.x_hat)
        if losses.k_S:
            d = d + losses.k_S * uneven
        grid = grid_error(batch.x, out.x_hat) * ~batch.drawn  # drawings have grids of their own
        if losses.k_G:
            d = d + losses.k_G * grid
        weight = torch.where(batch.drawn, DRAWN, 1.0)
        loss = rate_distortion(zeta * weight, bpp, d * weight)
        if run.discriminator is not None:
            loss = loss + losses.alpha * fooling(run.discriminator(out.x_hat, out.y_hat).float())
    row: dict[str, float] = {}
    if GENERATOR in phases:
        movers = [run.optimizer] if run.muon is None else [run.optimizer, run.muon]
        row["grad_norm"] = update(movers, loss, settings.clip, settings.lr * factor)
        # what the coder would need, not the noisy rate that is descended: only it is held at
        # r_t, and of photographs alone, since a flat drawing costs next to nothing
        photographs = ~batch.drawn
        row |= observe_rates(run, batch.tier[photographs], (out.bits / pixels)[photographs])
    row |= means(loss=loss, mse=mse, lpips=perceptual, uneven=uneven, grid=grid)

    # --- discriminator: real and fake share one latent each, in the same order.
    if judge is not None and run.discriminator is not None and run.optimizer_d is not None:
        learns = DISCRIMINATOR in phases
        run.discriminator.requires_grad_(learns)
        x, y_hat = torch.cat([batch.x, out.x_hat.detach()]), out.y_hat.detach()
        with half:
            real, fake = judge(x, torch.cat([y_hat, y_hat])).float().chunk(2)
            loss_d = spotting(real, fake)
        row |= means(loss_d=loss_d, d_real=real, d_fake=fake)
        if learns:
            lr = settings.lr_d * factor
            row["grad_norm_d"] = update([run.optimizer_d], loss_d, settings.clip, lr)
    return row


def window(x: Tensor, corner: tuple[int, int]) -> Tensor:
    """Cut the window that LPIPS sees, 16 pixels smaller than the crop, at a random place.

    AlexNet looks at every fourth pixel. Always shown the same pixels of each 16x16 block, G learns
    dots that please LPIPS there and nowhere else.
    """
    (top, left), (height, width) = corner, x.shape[2:]
    return x[:, :, top : top + height - 16, left : left + width - 16]


def update(movers: Sequence[optim.Optimizer], loss: Tensor, clip: float, lr: float) -> float:
    """Step optimizers on one loss, all gradients cleared first; return their common norm."""
    groups = [group for optimizer in movers for group in optimizer.param_groups]
    for optimizer in movers:
        optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_([p for group in groups for p in group["params"]], clip)
    for group in groups:
        group["lr"] = lr * group["factor"]
    if torch.isfinite(norm):  # one bad batch must not poison the moments for good
        for optimizer in movers:
            optimizer.step()
    return float(norm)


def observe_rates(run: Run, tier: Tensor, bpp: Tensor) -> dict[str, float]:
    """Tell the controller each tier's mean rate over all processes; return what to log."""
    names = run.model.arch.tiers
    is_of = F.one_hot(tier.long(), len(names)).double()  # (N, T)
    sums = processes.total(torch.stack([bpp.double() @ is_of, is_of.sum(0)]))  # (2, T)
    row: dict[str, float] = {}
    for number, (bits, count) in enumerate(sums.T.tolist()):
        if count:
            run.rate.observe(number, bits / count)
            row[f"bpp_{names[number]}"] = bits / count
        row[f"zeta_{names[number]}"] = run.rate.zeta(number)
    return row


def means(**values: Tensor) -> dict[str, float]:
    """Return the mean of each over all processes, as numbers."""
    local = torch.stack([v.detach().double().mean() for v in values.values()])
    count = torch.ones_like(local[:1])
    *sums, world = processes.total(torch.cat([local, count])).tolist()
    return dict(zip(values, (s / world for s in sums), strict=True))
