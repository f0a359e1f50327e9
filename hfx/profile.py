r"""What each stage costs, and how that grows: the cost model of the codec.

    x -> E -> y -> h_a -> z -> h_s -> mu, sigma -> coder (with neighbours or without) ; y_hat -> G -> x_hat

MACs and bytes are counted, see `macs`. Seconds are measured, of the very functions that compress and decompress, as far as time
and memory allow; beyond, they grow with the pixels from the largest size measured, and are
marked.
"""  # noqa: E501

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table

from hfx.bitstream import Header
from hfx.codec import Analysis, Codec
from hfx.compressor import Compressor
from hfx.config import PRESETS
from hfx.entropy import coder
from hfx.entropy.fixedpoint import LEVELS
from hfx.errors import HfxError
from hfx.export import freeze
from hfx.image import Picture
from hfx.macs import counted
from hfx.panel import Pixels
from hfx.results import write
from hfx.stopwatch import Spent, spent
from hfx.tiles import analyse

GROWTH = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # megapixels
SHARE = 0.8  # of the free memory that may be filled
MEASURED, EXTRAPOLATED = "measured", "extrapolated"
Step = Callable[[], None]


@dataclass(frozen=True)
class Cost:
    """One stage at one size: a line of the CSV.

    Attributes:
        preset: Of the architecture.
        width: In pixels.
        height: In pixels.
        megapixels: Their product.
        stage: E, h_a, h_s, coder, neighbours or G.
        macs: Multiply-adds; None for stages that have none.
        parameters: Of the stage's network.
        bytes: Moved at least between memory and processor; None likewise.
        seconds: See `source`; h_s, the coder and neighbours run on both sides and count twice.
        memory_mb: By which resident memory rose, see `stopwatch`; None where that is unknown.
        source: "measured", or "extrapolated" from the largest size measured.
    """

    preset: str
    width: int
    height: int
    megapixels: float
    stage: str
    macs: int | None
    parameters: int | None
    bytes: int | None
    seconds: float
    memory_mb: float | None
    source: str


# --- timing


def timed(codec: Codec, rgb: Pixels, neighbours: str | None = "none") -> dict[str, Spent[Any]]:
    """Run a picture once through every stage; return what each took.

    Args:
        codec: Ours.
        rgb: (H, W, 3) uint8.
        neighbours: The kind whose seconds beyond the coder's are wanted; None leaves the coder
            out, too: of random weights its seconds mean nothing.
    """
    prior, tiers = codec.weights.prior, codec.weights.arch.tiers
    level = tiers.index("medium") * LEVELS if "medium" in tiers else 0
    height, width = rgb.shape[:2]
    with torch.inference_mode():
        e = spent(lambda: analyse(codec.weights.encoder, codec.halo_e, rgb))
        h_a = spent(lambda: codec.weights.hyper_analysis(e.result))
    latents = codec.quantize(Analysis(Picture(rgb, None, False), e.result, h_a.result), level)
    h_s = spent(lambda: prior.expect_y(latents.z, level))
    took = {"E": e, "h_a": h_a, "h_s": replace(h_s, seconds=2 * h_s.seconds)}
    if neighbours is not None:
        index_z = prior.expect_z(level, latents.z.shape[1:]).ravel()
        z, y, index = latents.z.ravel(), latents.y.ravel(), latents.index.ravel()

        def both() -> float:
            coder.decode(*coder.encode(z, index_z, prior.tables_z), index_z, prior.tables_z)
            begun = time.perf_counter()
            coder.decode(*coder.encode(y, index, prior.tables_y), index, prior.tables_y)
            return time.perf_counter() - begun

        took["coder"] = without = spent(both)
        if neighbours != "none":
            coding, fitted, _ = codec.models.get(neighbours)
            given = fitted, prior.tables_y, *latents.side
            helped = spent(lambda: coding.decode(*given, *coding.encode(*given, latents.y)))
            beyond = max(0.0, helped.seconds - without.result)
            took["neighbours"] = replace(helped, seconds=beyond)
    header = Header(
        width, height, level, codec.weights.fingerprint, "none", False, latents.crc, b""
    )
    took["G"] = spent(lambda: codec.synthesise(latents, header))
    return took


def random_codec(preset: str) -> Codec:
    """Return a codec of a preset with random weights; raises HfxError for an unknown one."""
    if preset not in PRESETS:
        raise HfxError(f"no preset {preset!r}; use one of {', '.join(PRESETS)}")
    return Codec(freeze(Compressor(PRESETS[preset]).eval().requires_grad_(False), {}))


def pictured(rgb: Pixels, height: int, width: int) -> Pixels:
    """Cut a picture to a size, or repeat it, mirrored, so that its detail stays as it is."""
    rgb = rgb[:height, :width]
    missing = (0, height - rgb.shape[0]), (0, width - rgb.shape[1]), (0, 0)
    return np.ascontiguousarray(np.pad(rgb, missing, mode="symmetric"))


def noise(side: int = 512) -> Pixels:
    """Return grey noise with a photograph's 1/f spectrum, the same every time."""
    across = np.fft.fftfreq(side)
    fall = np.maximum(np.hypot(across[:, None], across), 1 / side) ** -1.3
    waves = np.fft.fft2(np.random.default_rng(0).standard_normal((side, side)))
    grey = np.fft.ifft2(waves * fall).real
    pixels = np.clip(128 + 45 * grey / grey.std(), 0, 255).astype(np.uint8)
    return np.repeat(pixels[..., None], 3, axis=2)


def parsed(text: str) -> tuple[int, int]:
    """Return (height, width) of "768x512"; raises HfxError for anything else."""
    match = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", text)
    if match is None:
        raise HfxError(f"{text!r} is no size; give width and height like 768x512")
    return int(match[2]), int(match[1])


def size_of(megapixels: float) -> tuple[int, int]:
    """Return (height, width) of a 3:2 picture of so many megapixels."""
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    return height, round(height * 1.5)


# --- both


def profile(
    codec: Codec,
    rgb: Pixels,
    sizes: Sequence[tuple[int, int]],
    *,
    neighbours: str | None = "none",
    limit: float = 60.0,
    step: Step = lambda: None,
) -> list[Cost]:
    """Return the cost of every stage at every size, sizes rising.

    Args:
        codec: Ours.
        rgb: A picture whose detail stands for all; it is cut or repeated.
        sizes: (height, width), at least one.
        neighbours: See `timed`.
        limit: Seconds that one size may take, as far as the last foretells; the smallest is
            always measured. Nor is more than 80 % of the free memory filled.
        step: Called after each size.
    """
    costs: list[Cost] = []
    took: dict[str, Spent[Any]] = {}
    pixels = 0  # that `took` is of
    for height, width in sorted(sizes, key=lambda size: size[0] * size[1]):
        counts, growth = counted(codec.weights, height, width), height * width / (pixels or 1)
        measured = not took or fits(took.values(), growth, limit)
        if measured:
            timed(codec, rgb[:64, :64], neighbours)  # warm, as in daily use
            took = timed(codec, pictured(rgb, height, width), neighbours)
            pixels, growth = height * width, 1.0
        for stage, cost in took.items():
            network, memory = counts.get(stage), cost.memory_mb
            costs.append(
                Cost(
                    codec.weights.arch.name, width, height, height * width / 1e6, stage,
                    network.macs if network else None, network.parameters if network else None,
                    network.bytes if network else None,
                    cost.seconds * growth, None if memory is None else memory * growth,
                    MEASURED if measured else EXTRAPOLATED,
                )
            )  # fmt: skip
        step()
    return costs


def fits(took: Iterable[Spent[Any]], growth: float, limit: float) -> bool:
    """Say whether a size `growth` times as large is expected to fit into time and memory."""
    stages, free = list(took), available_mb()
    memory = [stage.memory_mb or 0.0 for stage in stages]
    enough = free is None or sum(memory) * growth < SHARE * free
    return enough and sum(stage.seconds for stage in stages) * growth < limit


def available_mb() -> float | None:
    """Return the memory that is free, in MB; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(found.split()[1]) * 1024 / 1e6
    except (OSError, StopIteration, ValueError):
        return None


def save(path: Path, costs: Sequence[Cost]) -> None:
    """Write the CSV."""
    write(path, [f.name for f in fields(Cost)], [asdict(cost) for cost in costs])


def summary(costs: Sequence[Cost]) -> Table:
    """Lay the costs out for a terminal, a total under each size."""
    table = Table(box=None, header_style="bold")
    for name in ("megapixels", "stage"):
        table.add_column(name, no_wrap=True)
    for name in ("GMAC", "parameters", "GB", "seconds", "MB held", ""):
        table.add_column(name, justify="right")
    sizes: dict[tuple[int, int], list[Cost]] = {}
    for cost in costs:
        sizes.setdefault((cost.width, cost.height), []).append(cost)
    for (width, height), stages in sizes.items():
        shown = f"{stages[0].megapixels:.3g}: {width}x{height}"
        for cost in stages:
            cells = (
                "" if cost.macs is None else f"{cost.macs / 1e9:.2f}",
                "" if cost.parameters is None else f"{cost.parameters:,}",
                "" if cost.bytes is None else f"{cost.bytes / 1e9:.2f}",
                f"{cost.seconds:.3f}",
                "" if cost.memory_mb is None else f"{cost.memory_mb:.0f}",
                "extrapolated" if cost.source == EXTRAPOLATED else "",
            )
            table.add_row(shown, cost.stage, *cells)
            shown = ""
        total = sum(cost.seconds for cost in stages)
        macs = sum(cost.macs or 0 for cost in stages) / 1e9
        count = sum(cost.parameters or 0 for cost in stages)
        moved = sum(cost.bytes or 0 for cost in stages) / 1e9
        table.add_row("", "all", f"{macs:.2f}", f"{count:,}", f"{moved:.2f}", f"{total:.3f}",
                      style="bold")  # fmt: skip
    return table
