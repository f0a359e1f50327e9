"""A run in small parts, for machines that hand back only small files.

    python -m hfx.slim split RUN PARTS [--limit 15]      # MiB a part
    python -m hfx.slim join PARTS RUN                    # then: python -m hfx.train --resume

First come the averaged weights in float16, then the optimizer's moments in bfloat16; the model's
own weights are not kept, and start from their average. Nothing that is small is rounded: gains,
biases, norms. About 6 bytes a parameter instead of 16.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from hfx import checkpoint
from hfx.errors import HfxError, WeightsError

CHECKPOINT = "checkpoint.safetensors"
SMALL = 4096  # numbers in a tensor that stays float32
MIB = 1 << 20


def split(run: Path, out: Path, limit: float = 15.0) -> list[Path]:
    """Write a run's state as part-000.safetensors, part-001.safetensors and so on.

    Args:
        run: Folder of a run, or its checkpoint.
        out: Folder for the parts; it must not hold parts of another split.
        limit: Largest size of a part in MiB.

    Raises:
        HfxError: the folder holds parts already, or one tensor alone is over the limit.
        WeightsError: the checkpoint cannot be read.
    """
    tensors, meta = checkpoint.read(run / CHECKPOINT if run.is_dir() else run)
    if sorted(out.glob("part-*")):
        raise HfxError(f"{out} holds parts already; name another folder")
    groups = list(_groups(tensors))
    weights = [k for group in groups for k in group if not k.startswith("optimizer")]
    parts: list[dict[str, Tensor]] = [{}]
    room = budget = int(limit * MIB) - MIB // 16  # names and JSON take the rest
    for group in groups:
        size = sum(v.nbytes + 128 for v in group.values())
        if size > budget:
            raise HfxError(f"{next(iter(group))} alone is over {limit:g} MiB; raise --limit")
        if size > room:
            parts.append({})
            room = budget
        parts[-1] |= group
        room -= size
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, part in enumerate(parts):
        paths.append(out / f"part-{number:03d}.safetensors")
        checkpoint.write(paths[-1], part, {**meta, "part": number, "weights": weights})
    return paths


def join(parts: Path, run: Path) -> Path:
    """Put parts together as a checkpoint that `--resume` takes.

    Parts that hold only moments may be missing: those moments start afresh.

    Raises:
        HfxError: `run` holds a checkpoint already.
        WeightsError: parts are missing, damaged, or of different splits.
    """
    path = run / CHECKPOINT
    if path.exists():
        raise HfxError(f"{run} holds a run; name another folder")
    tensors: dict[str, Tensor] = {}
    stories: list[dict[str, Any]] = []
    for file in sorted(parts.glob("part-*.safetensors")):
        held, meta = checkpoint.read(file)
        tensors |= held
        stories.append({k: v for k, v in meta.items() if k != "part"})
    if not stories:
        raise WeightsError(f"{parts} holds no part-*.safetensors")
    if any(story != stories[0] for story in stories):
        raise WeightsError(f"{parts} holds parts of different runs or steps")
    names = stories[0].pop("weights")
    if missing := sorted(set(names) - tensors.keys()):
        raise WeightsError(f"{parts} is incomplete: {missing[0]} is in none of its parts")
    tensors = {k: v.float() for k, v in tensors.items()}
    averaged = {k: v for k, v in tensors.items() if k.startswith("average.")}
    tensors |= {f"model.{k.removeprefix('average.')}": v.clone() for k, v in averaged.items()}
    run.mkdir(parents=True, exist_ok=True)
    checkpoint.write(path, tensors, stories[0])
    return path


def _groups(tensors: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield what must not be torn apart: each weight, then all moments of each parameter."""
    for prefix in ("average.", "discriminator."):
        for key, value in tensors.items():
            if key.startswith(prefix):
                half = value.half()
                keep = value.numel() <= SMALL or not half.isfinite().all()
                yield {key: value if keep else half}
    moments: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer"):
            small = value.numel() <= SMALL
            parameter = key.rpartition(".")[0]
            moments.setdefault(parameter, {})[key] = value if small else value.bfloat16()
    yield from moments.values()


def main(arguments: list[str] | None = None) -> int:
    """Run `python -m hfx.slim`."""
    p = argparse.ArgumentParser(prog="python -m hfx.slim", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    p.add_argument("what", choices=("split", "join"))
    p.add_argument("source", type=Path, help="RUN to split, or folder of parts to join")
    p.add_argument("out", type=Path, help="folder of parts, or RUN to make")
    p.add_argument("--limit", type=float, default=15.0, metavar="MIB", help="of one part (15)")
    a = p.parse_args(arguments)
    try:
        if a.what == "split":
            for path in split(a.source, a.out, a.limit):
                print(f"{path} {path.stat().st_size / MIB:.1f} MiB")
        else:
            print(join(a.source, a.out))
    except HfxError as error:
        print(f"hfx.slim: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
