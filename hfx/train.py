"""The training loop, read from top to bottom: stage 1 is Eq. 5, stage 2 is Eq. 6.

    x -> model -> x_hat, y_hat, bits -> zeta' r + k_M MSE + k_P LPIPS [- alpha log D(x', y)]
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn, optim
from torch.nn.parallel import DistributedDataParallel

from hfx.config import PRESETS, Losses, Training
from hfx.data import Batch, Crops, load_pictures
from hfx.errors import HfxError
from hfx.log import Log, log_evaluation
from hfx.losses import distortion, fooling, mse255, rate_distortion, spotting
from hfx.perceptual import LPIPS
from hfx.run import Run, start
from hfx.validate import sample_grid

CHECKPOINT = "checkpoint.safetensors"


def train(
    settings: Training,
    sources: list[Path],
    out: Path,
    *,
    resume: bool = False,
    start_from: Path | None = None,
    device: torch.device | None = None,
    max_minutes: float = float("inf"),
    save_minutes: float = 5.0,
    log_every: int = 10,
    evaluate: Path | None = None,
    evaluate_minutes: float = 20.0,
    tell: Callable[[str], None] = lambda line: None,
) -> Run:
    """Train until the last step or the time limit, and leave a checkpoint that resumes exactly.

    Args:
        settings: What to do; a resumed run must have the same architecture.
        sources: Folders or tar shards with training pictures.
        out: Folder of the run: checkpoint, log.csv, evaluations.csv, samples/.
        resume: Go on from the checkpoint in `out`.
        start_from: Checkpoint whose averaged weights to begin with (stage 2 needs one).
        device: Where to compute; the GPU if there is one.
        max_minutes: Stop after this long, checkpoint written.
        save_minutes: Minutes between checkpoints.
        log_every: Steps between rows of log.csv.
        evaluate: Folder of whole pictures to measure now and then, never trained on.
        evaluate_minutes: Minutes between these.
        tell: Receives one line of progress per logged row.

    Raises:
        HfxError: no pictures, nothing to resume, or a run that would be overwritten.
    """
    rank, world = join_processes()
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    path = out / CHECKPOINT
    if resume and not path.exists():
        raise HfxError(f"nothing to resume in {out}; leave out --resume to start")
    if not resume and path.exists():
        raise HfxError(f"{out} holds a run; give --resume to go on, or another --out")
    if settings.stage == 2 and not resume and start_from is None:
        raise HfxError("stage 2 starts from trained weights; give --start RUN of a stage 1 run")

    pictures = load_pictures(sources, least=settings.crop)
    run = start(settings, device, pictures)
    if resume:
        run.load(path)
    elif start_from is not None:
        run.start_from(start_from / CHECKPOINT if start_from.is_dir() else start_from)
    arch = run.model.arch
    crops = Crops(
        pictures, settings.crop, settings.batch, (arch.latent, arch.hyper), len(arch.tiers),
        settings.seed,
    )  # fmt: skip
    lpips = LPIPS().to(device).eval() if settings.losses.k_P else None
    if lpips is not None:
        lpips.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model = DistributedDataParallel(run.model) if world > 1 else run.model
    judge = run.discriminator
    if judge is not None and world > 1:
        judge = DistributedDataParallel(judge)

    main = rank == 0
    log = Log(out, keep=run.step) if main else None
    begun = saved = evaluated = time.monotonic()
    before = run.seconds
    if main and evaluate is not None and not resume:
        tell(log_evaluation(out, run, evaluate))

    while run.step < settings.steps:
        batch = crops.at(run.step, device, rank, world)
        row = train_step(run, model, judge, lpips, batch)
        run.step += 1
        run.follow()
        now = time.monotonic()
        run.seconds = before + now - begun

        # --- once in a while; processes agree on the time by asking the first one
        over = agree((now - begun) / 60 > max_minutes or run.step == settings.steps)
        if log is not None:
            log.add(row)
        if main and (run.step % log_every == 0 or over):
            assert log is not None
            tell(log.write(run.step, run.seconds))
        if main and (over or (now - saved) / 60 > save_minutes):
            run.save(path)
            saved = now
        if main and evaluate is not None and (over or (now - evaluated) / 60 > evaluate_minutes):
            evaluated = now
            tell(log_evaluation(out, run, evaluate))
            sample_grid(run.average, evaluate, out / "samples" / f"{run.step:07d}.png")
        if over:
            break
    return run


def train_step(
    run: Run,
    model: nn.Module,
    judge: nn.Module | None,
    lpips: LPIPS | None,
    batch: Batch,
) -> dict[str, float]:
    """Do one step: the generator's phase and, in stage 2, the discriminator's."""
    settings, losses = run.settings, run.settings.losses
    device = batch.x.device.type
    half = torch.autocast(device, torch.bfloat16, enabled=settings.bf16)
    factor = settings.lr_at(run.step)
    pixels = batch.x.shape[2] * batch.x.shape[3]
    tiers = batch.tier.tolist()

    # --- generator: E, G and the hyperprior. D is frozen, so no gradient can reach it.
    if run.discriminator is not None:
        run.discriminator.requires_grad_(False)
    with half:
        out = model(batch.x, batch.tier.float(), (batch.noise_y, batch.noise_z))
        bpp = (out.bits_y + out.bits_z) / pixels  # (N,)
        mse = mse255(batch.x, out.x_hat)
        perceptual = lpips(batch.x, out.x_hat) if lpips is not None else torch.zeros_like(mse)
        zeta = torch.tensor([run.rate.zeta(t) for t in tiers], device=device)
        d = distortion(mse, perceptual, losses.k_M, losses.k_P)
        loss = rate_distortion(zeta, bpp, d)
        if run.discriminator is not None:
            loss = loss + losses.alpha * fooling(run.discriminator(out.x_hat, out.y_hat).float())
    norm = update(run.optimizer, loss, settings.clip, settings.lr * factor)
    row = {"loss": mean(loss), "mse": mean(mse), "lpips": mean(perceptual), "grad_norm": norm}
    row |= observe_rates(run, tiers, bpp.detach())

    # --- discriminator: real and fake share one latent each, in the same order.
    if judge is not None and run.discriminator is not None and run.optimizer_d is not None:
        run.discriminator.requires_grad_(True)
        x, y_hat = torch.cat([batch.x, out.x_hat.detach()]), out.y_hat.detach()
        with half:
            real, fake = judge(x, torch.cat([y_hat, y_hat])).float().chunk(2)
            loss_d = spotting(real, fake)
        row["grad_norm_d"] = update(run.optimizer_d, loss_d, settings.clip, settings.lr_d * factor)
        row |= {"loss_d": mean(loss_d), "d_real": mean(real), "d_fake": mean(fake)}
    return row


def update(optimizer: optim.Optimizer, loss: Tensor, clip: float, lr: float) -> float:
    """Step one optimizer on one loss, its gradients cleared first; return their norm."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    norm = nn.utils.clip_grad_norm_(parameters, clip)
    for group in optimizer.param_groups:
        group["lr"] = lr * group["factor"]
    if torch.isfinite(norm):  # one bad batch must not poison the moments for good
        optimizer.step()
    return float(norm)


def observe_rates(run: Run, tiers: list[int], bpp: Tensor) -> dict[str, float]:
    """Tell the controller each tier's mean rate over all processes; return what to log."""
    names = run.model.arch.tiers
    sums = torch.zeros(len(names), 2, dtype=torch.float64)
    for tier, value in zip(tiers, bpp.tolist(), strict=True):
        sums[tier] += torch.tensor([value, 1.0], dtype=torch.float64)
    if dist.is_initialized():
        sums = sums.to(bpp.device)
        dist.all_reduce(sums)
    row: dict[str, float] = {}
    for tier, (total, count) in enumerate(sums.tolist()):
        if count:
            run.rate.observe(tier, total / count)
            row[f"bpp_{names[tier]}"] = total / count
        row[f"zeta_{names[tier]}"] = run.rate.zeta(tier)
    return row


def mean(values: Tensor) -> float:
    """Return the mean as a number."""
    return float(values.detach().mean())


def join_processes() -> tuple[int, int]:
    """Return (rank, world), joining the group that torchrun announces in the environment."""
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        return 0, 1
    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return dist.get_rank(), dist.get_world_size()


def agree(stop: bool) -> bool:
    """Let the first process decide for all."""
    if not dist.is_initialized():
        return stop
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    flag = torch.tensor(int(stop), device=device)
    dist.broadcast(flag, 0)
    return bool(flag)


def fastest_precision() -> bool:
    """Say whether bfloat16 is worth it here, by timing one convolution: some CPUs slow down."""
    if torch.cuda.is_available():
        return True
    times = []
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.randn(3, 96, 64, 64, dtype=dtype).to(memory_format=torch.channels_last)
        weight = torch.randn(96, 96, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
        for _ in range(2):  # the first run compiles kernels
            begun = time.perf_counter()
            for _ in range(5):
                nn.functional.conv2d(x, weight, padding=1)
            spent = time.perf_counter() - begun
        times.append(spent)
    return times[1] < times[0]


def parser() -> argparse.ArgumentParser:
    """Return the options of `hfx train`; argparse, because training must not need more."""
    p = argparse.ArgumentParser(prog="hfx train", description=__doc__)
    default = Training()
    add = p.add_argument
    add("--data", nargs="+", type=Path, required=True, metavar="DIR|SHARD.tar")
    add("--out", type=Path, required=True, metavar="RUN")
    add("--preset", choices=PRESETS, default=default.preset)
    add("--stage", type=int, choices=(1, 2), default=1)
    add("--joint", action="store_true", help="stage 2: train E and the hyperprior as well")
    add("--start", type=Path, metavar="RUN", help="begin with another run's averaged weights")
    add("--resume", action="store_true", help="go on from RUN's checkpoint")
    add("--max-minutes", type=float, default=float("inf"))
    add("--save-minutes", type=float, default=5.0)
    add("--evaluate", type=Path, metavar="DIR", help="measure on these whole pictures")
    add("--evaluate-minutes", type=float, default=20.0)
    add("--log-every", type=int, default=10, metavar="STEPS")
    add("--device", default="auto", help="auto, cpu or cuda")
    add("--precision", choices=("auto", "bf16", "fp32"), default="auto")
    for name in ("steps", "batch", "crop", "warmup", "decay", "seed"):
        add(f"--{name}", type=int, default=getattr(default, name))
    for name in ("lr", "lr_d", "clip", "ema"):
        add(f"--{name.replace('_', '-')}", type=float, default=getattr(default, name))
    for name in ("k_M", "k_P", "alpha", "rate_memory"):
        flag = f"--{name.replace('_', '-')}"
        add(flag, type=float, dest=name, default=getattr(default.losses, name))
    for name in ("zeta_a", "zeta_b", "rate_targets"):
        flag = f"--{name.replace('_', '-')}"
        add(flag, type=float, nargs="+", dest=name, default=getattr(default.losses, name))
    return p


def main(arguments: list[str] | None = None) -> int:
    """Run `hfx train`."""
    a = vars(parser().parse_args(arguments))
    losses = Losses(**{f.name: _plain(a[f.name]) for f in fields(Losses)})
    known = {f.name for f in fields(Training)} & a.keys()
    bf16 = a["precision"] == "bf16" or (a["precision"] == "auto" and fastest_precision())
    settings = Training(**{name: a[name] for name in known}, losses=losses, bf16=bf16)
    begun = time.monotonic()

    def tell(line: str) -> None:
        spent = (time.monotonic() - begun) / 60
        print(f"[{spent:.1f} min] {line}", file=sys.stderr, flush=True)

    device = None if a["device"] == "auto" else torch.device(a["device"])
    options = {k: a[k] for k in ("resume", "max_minutes", "save_minutes", "log_every",
                                 "evaluate", "evaluate_minutes")}  # fmt: skip
    try:
        train(settings, a["data"], a["out"], start_from=a["start"], device=device, tell=tell,
              **options)  # fmt: skip
    except HfxError as error:
        print(f"hfx train: {error}", file=sys.stderr)
        return 2
    return 0


def _plain(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


if __name__ == "__main__":
    sys.exit(main())
