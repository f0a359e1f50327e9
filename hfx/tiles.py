"""Large pictures piece by piece: E and G are local, so tiles with halos give the same result."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hfx.image import from_tensor, to_tensor
from hfx.networks import AnyEncoder, AnyGenerator

TILE = 96  # latents a side, of two at once: 1536 pixels, every activation under 110 MB
LEAST = 192  # latents in a piece that is worth a halo of its own


class Span(NamedTuple):
    """A piece of one axis, in latents: [core_from, core_to) inside what it needs to see."""

    core_from: int
    core_to: int
    from_: int
    to: int

    @property
    def core(self) -> slice:
        """The core's place in the whole."""
        return slice(self.core_from, self.core_to)

    @property
    def seen(self) -> slice:
        """What the network is shown, in the whole."""
        return slice(self.from_, self.to)

    @property
    def inside(self) -> slice:
        """The core's place in what the network was shown."""
        return slice(self.core_from - self.from_, self.core_to - self.from_)


def times(part: slice, factor: int) -> slice:
    """Scale a slice, from latents to pixels."""
    return slice(part.start * factor, part.stop * factor)


def spans(length: int, tile: int, halo: int) -> Iterator[Span]:
    """Cut an axis into cores of `tile`, each seen with up to `halo` more on both sides."""
    for a in range(0, length, tile):
        b = min(a + tile, length)
        yield Span(a, b, max(0, a - halo), min(length, b + halo))


def grid(h: int, w: int, tile: int, halo: int, workers: int = 1) -> list[tuple[Span, Span]]:
    """Cut a grid of latents into pieces of much the same size, as many for each worker.

    A piece of less than twice `LEAST` places is not cut again: its halo would cost too much.
    """
    rows, columns = -(-h // tile), -(-w // tile)
    while rows * columns % workers and (h // rows) * (w // columns) >= 2 * LEAST:
        rows, columns = (rows + 1, columns) if h / rows > w / columns else (rows, columns + 1)
    down, across = spans(h, -(-h // rows), halo), spans(w, -(-w // columns), halo)
    return list(product(down, across))


def each(pieces: list[tuple[Span, Span]], work: Callable[[Span, Span], None]) -> None:
    """Do what is to be done with each piece: a thread for each of a few at once.

    Every piece is computed by one thread, because some convolutions add up in another order when
    they share their work, and the last bit then depends on the number of threads. So neither
    threads nor tiles change a bit of the result.
    """
    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, "tile", torch.set_num_threads, (1,)) as pool:
            list(pool.map(lambda piece: work(*piece), pieces))
    finally:
        torch.set_num_threads(threads)  # some of its libraries count for all threads alike


def side_of(workers: int) -> int:
    """Return the largest side of a tile, so that the workers' activations fit into memory."""
    return max(TILE // 2, round(TILE * (2 / max(2, workers)) ** 0.5))


def padded_latents(height: int, width: int) -> tuple[int, int]:
    """Return the latent grid of a picture: sides are padded to multiples of 64 pixels."""
    return -(-height // 64) * 4, -(-width // 64) * 4


def analyse(encoder: AnyEncoder, halo: int, rgb: np.ndarray, tile: int | None = None) -> Tensor:
    """Run E over a picture of any size; its edge pixels are repeated up to the padded size.

    Shapes: rgb (H, W, 3) uint8 to y (1, C_y, h, w) float32, h and w multiples of 4.
    """
    height, width = rgb.shape[:2]
    h, w = padded_latents(height, width)
    y = torch.empty(1, encoder.head.out_channels, h, w)

    @torch.inference_mode()
    def work(rows: Span, columns: Span) -> None:
        seen_rows, seen_columns = times(rows.seen, 16), times(columns.seen, 16)
        cut = rgb[seen_rows, seen_columns]
        if not cut.size:  # wholly in the padding: repeat the last row or column
            cut = rgb[-1:, seen_columns] if seen_rows.start >= height else rgb[seen_rows, -1:]
            cut = cut if cut.size else rgb[-1:, -1:]
        missing = (
            (0, seen_rows.stop - seen_rows.start - cut.shape[0]),
            (0, seen_columns.stop - seen_columns.start - cut.shape[1]),
        )
        x = to_tensor(np.pad(cut, (*missing, (0, 0)), mode="edge"))
        part = encoder(x.to(memory_format=torch.channels_last))
        y[:, :, rows.core, columns.core] = part[:, :, rows.inside, columns.inside]

    workers = torch.get_num_threads()
    each(grid(h, w, tile or side_of(workers), halo, workers), work)
    return y


def synthesise(
    generator: AnyGenerator,
    halo: int,
    y_hat: Callable[[slice, slice], Tensor],
    tier: float,
    size: tuple[int, int],
    tile: int | None = None,
) -> np.ndarray:
    """Run G over latents of any size.

    Shapes: y_hat (1, C_y, h, w), made a tile at a time; size (H, W) to (H, W, 3) uint8.
    """
    height, width = size
    rgb = np.empty((height, width, 3), np.uint8)

    @torch.inference_mode()
    def work(rows: Span, columns: Span) -> None:
        part = y_hat(rows.seen, columns.seen).to(memory_format=torch.channels_last)
        x_hat = generator(part, torch.tensor([tier]))
        pixels = from_tensor(x_hat[:, :, times(rows.inside, 16), times(columns.inside, 16)])
        place = rgb[times(rows.core, 16), times(columns.core, 16)]
        place[:] = pixels[: place.shape[0], : place.shape[1]]

    workers = torch.get_num_threads()
    h, w = padded_latents(height, width)
    each(grid(h, w, tile or side_of(workers), halo, workers), work)
    return rgb
