"""The training loop, read from top to bottom; `hfx.step` is what it repeats."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from hfx import checkpoint, processes
from hfx.config import Training
from hfx.data import Crops, load_pictures
from hfx.errors import HfxError, WeightsError
from hfx.log import Log, columns_of, log_evaluation, trim
from hfx.perceptual import LPIPS
from hfx.progress import Progress
from hfx.run import Run, start
from hfx.step import train_step
from hfx.train_options import parser, settings_of
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
    compiled: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Train until the last step or the time limit, and leave a checkpoint that resumes exactly.

    Ctrl-C and SIGTERM end a run as the time limit does: after the step, checkpoint written.

    Args:
        settings: What to do; a resumed run must have the same architecture and stage.
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
        compiled: Compile E, G and LPIPS; pays on a GPU.
        progress: Shows how it goes; None is silence.

    Raises:
        HfxError: no pictures, nothing to resume, or a run that would be overwritten.
    """
    device, rank, world = processes.join(device)
    path = out / CHECKPOINT
    refuse(settings, path, resume, start_from, world)
    if evaluate is not None and not evaluate.exists():
        raise HfxError(f"{evaluate} does not exist; --evaluate takes a folder of pictures")
    progress = progress if progress is not None and rank == 0 else Progress(None)
    prepare(device)

    # --- everything that the loop needs
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
    lpips = find_lpips(device, progress) if evaluate is not None else None
    distances = perceptual(settings, device) if settings.losses.k_P else []
    if compiled:
        # not the average and not what evaluates: whole pictures come in many sizes
        for network in (run.model.encoder, run.model.generator, *distances):
            network.compile()
    model: nn.Module = run.model
    judge: nn.Module | None = run.discriminator
    if world > 1:
        model = DistributedDataParallel(run.model)
        judge = DistributedDataParallel(judge) if judge is not None else None
    main = rank == 0
    log = Log(out, columns_of(run), keep=run.step) if main else None

    begun = saved = evaluated = time.monotonic()
    if main and resume:
        trim(out / "evaluations.csv", keep=run.step)
    elif main and evaluate is not None:
        progress.say(log_evaluation(out, run, evaluate, lpips))

    # the next crops are cut and drawn while a step is computed
    with processes.Interruption() as interruption, ThreadPoolExecutor(1, "crops") as ahead:
        coming = ahead.submit(crops.at, run.step, device, rank, world)
        while run.step < settings.steps:
            tick = time.monotonic()
            batch = coming.result()
            coming = ahead.submit(crops.at, run.step + 1, device, rank, world)
            row = train_step(run, model, judge, distances, batch)
            run.step += 1
            run.follow()
            now = time.monotonic()
            run.seconds += now - tick

            # --- once in a while
            late = (now - begun) / 60 > max_minutes
            stop = processes.any_of_us(late or interruption.wanted, device)
            over = stop or run.step == settings.steps
            if log is None:  # the first process reports for all
                if over:
                    break
                continue
            measure = evaluate is not None and not interruption.wanted
            measure = measure and (over or (now - evaluated) / 60 > evaluate_minutes)
            logged = run.step % log_every == 0 or over
            log.add(row)
            if logged:
                log.write(run.step, run.seconds)
            progress.step(run, row, logged)
            if over or measure or (now - saved) / 60 > save_minutes:
                run.save(path)
                saved = now
            if measure and evaluate is not None:
                evaluated = now
                progress.say(log_evaluation(out, run, evaluate, lpips))
                sample_grid(run.average, evaluate, out / "samples" / f"{run.step:07d}.png")
            if over:
                why = "" if run.step == settings.steps else "; --resume goes on from here"
                progress.say(f"stopped after step {run.step} of {settings.steps}{why}")
                break
    processes.wait()  # the others for the first one's last checkpoint and measurement
    return run


def refuse(
    settings: Training, path: Path, resume: bool, start_from: Path | None, world: int
) -> None:
    """Raise HfxError for what cannot be done, before hours are spent on it."""
    if resume and not path.exists():
        raise HfxError(f"nothing to resume in {path.parent}; leave out --resume to start")
    if not resume and path.exists():
        raise HfxError(f"{path.parent} holds a run; give --resume to go on, or another --out")
    if settings.stage == 2 and not resume and start_from is None:
        raise HfxError("stage 2 starts from trained weights; give --from RUN of a stage 1 run")
    if settings.crop < 64 or settings.crop % 64:
        raise HfxError(f"--crop must be a multiple of 64, not {settings.crop}")
    if settings.batch < 1 or settings.batch % world:
        raise HfxError(f"--batch {settings.batch} cannot be shared evenly by {world} processes")


def prepare(device: torch.device) -> None:
    """Let a GPU round to TF32 and look for its fastest convolutions; sizes never change here."""
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = True
        torch.set_float32_matmul_precision("high")


def perceptual(settings: Training, device: torch.device) -> list[nn.Module]:
    """Return the perceptual distances of the loss, which take turns.

    Raises:
        WeightsError: the weights of a backbone cannot be found.
    """
    nets = ("alex", "squeeze") if settings.perceptual == "turns" else (settings.perceptual,)
    distances = (LPIPS(net).to(device).eval() for net in nets)
    return [d.to(memory_format=torch.channels_last) for d in distances]  # type: ignore[call-overload]


def find_lpips(device: torch.device, progress: Progress) -> LPIPS | None:
    """Return LPIPS for evaluations, which may go without."""
    try:
        return LPIPS().to(device).eval()
    except WeightsError as error:
        progress.say(f"evaluations go without LPIPS: {error}")
        return None


def settings_in(path: Path) -> Training | None:
    """Return the settings of a checkpoint, None where there is none.

    Raises:
        WeightsError: the file is damaged or not a run's.
    """
    if not path.exists():
        return None
    meta = checkpoint.read_meta(path)
    if "settings" not in meta:
        raise WeightsError(f"{path} is not the checkpoint of a run")
    return Training.from_dict(meta["settings"])


def main(arguments: list[str] | None = None) -> int:
    """Run `hfx train`."""
    a = vars(parser().parse_args(arguments))
    options = {k: a[k] for k in ("resume", "max_minutes", "save_minutes", "log_every",
                                 "evaluate", "evaluate_minutes")}  # fmt: skip
    try:
        train(
            settings_of(a, settings_in(a["out"] / CHECKPOINT) if a["resume"] else None),
            a["data"],
            a["out"],
            start_from=a["start"],
            device=None if a["device"] == "auto" else torch.device(a["device"]),
            compiled=a["compile"],
            progress=Progress(sys.stderr, a["max_minutes"]),
            **options,
        )
    except HfxError as error:
        print(f"hfx train: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    processes.end(main())
