"""Training pictures: folders or tar shards, decoded once, cropped by step number."""

import io
import re
import tarfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from hfx.errors import HfxError
from hfx.graphics import graphic

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".tif", ".tiff"}


def files_in(source: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (name, file bytes) of every picture in a folder, a tar shard, or a folder of shards.

    Raises:
        HfxError: the source does not exist, or is no tar file.
    """
    if not source.exists():
        raise HfxError(f"{source} does not exist; give a folder of pictures or a .tar shard")
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.suffix == ".tar":
                yield from files_in(path)
            elif path.suffix.lower() in SUFFIXES:
                yield path.name, path.read_bytes()
        return
    try:
        with tarfile.open(source) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isfile() else None
                if file is not None and Path(member.name).suffix.lower() in SUFFIXES:
                    yield Path(member.name).name, file.read()
    except tarfile.TarError as error:
        raise HfxError(f"{source} is neither a folder nor a whole .tar shard: {error}") from error


def held_out(name: str) -> bool:
    """Say whether a picture is kept from training: one photograph in 24, for validation and tiers.

    Crops of one photograph, photo_0.jpg, photo_1.jpg and so on, are kept or trained on together.
    """
    photograph = re.sub(r"_\d{1,3}$", "", Path(name).stem)
    return zlib.crc32(photograph.encode()) % 24 == 0


def load_pictures(
    sources: list[Path], held: bool = False, least: int = 0, limit: int | None = None
) -> list[np.ndarray]:
    """Decode the training (or the held-out) pictures of some sources into memory.

    Args:
        sources: Folders or tar shards.
        held: Return the held-out pictures rather than the others.
        least: Leave out pictures with a side below this many pixels.
        limit: Stop after this many pictures.

    Shapes: a list of (H, W, 3) uint8.

    Raises:
        HfxError: nothing usable was found.
    """
    named = (item for source in sources for item in files_in(source))
    chosen = list(islice((data for name, data in named if held_out(name) == held), limit))
    with ThreadPoolExecutor() as pool:
        pictures = [p for p in pool.map(_decode, chosen) if p is not None]
    pictures = [p for p in pictures if min(p.shape[:2]) >= least]
    if not pictures:
        raise HfxError(f"no pictures of at least {least} pixels in {', '.join(map(str, sources))}")
    return pictures


def _decode(data: bytes) -> np.ndarray | None:
    try:
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    except Exception:  # Pillow's decoders raise almost anything
        return None  # one broken file must not end a night of training


@dataclass(frozen=True)
class Batch:
    """One global batch, or one process's slice of it.

    Attributes:
        x: (N, 3, crop, crop) in [0, 1].
        tier: (N,) integer tier of each crop.
        noise_y: (N, C_y, crop/16, crop/16) in [-0.5, 0.5).
        noise_z: (N, C_z, crop/64, crop/64) in [-0.5, 0.5).
        drawn: (N,) bool, whether a crop is a drawing of `hfx.graphics` and no photograph.
        corner: Pixels, below 16, from the top and the left to the window that LPIPS sees.
    """

    x: Tensor
    tier: Tensor
    noise_y: Tensor
    noise_z: Tensor
    drawn: Tensor
    corner: tuple[int, int] = (0, 0)


class Crops:
    """Random crops that depend on the seed and the step alone.

    So a resumed run goes on with the very batch it would have seen, and several processes share
    one global batch. Every second step or so takes its crops from pictures reduced by a factor
    from 1 to `most`, whose edges are as sharp as those of real photographs; each crop has a place
    and a flip of its own. A share of the crops are drawings, which photographs never show.
    """

    def __init__(
        self,
        pictures: list[np.ndarray],
        crop: int,
        batch: int,
        latents: tuple[int, int],
        tiers: int,
        seed: int = 0,
        most: float = 2.0,
        drawn: float = 1 / 8,
    ) -> None:
        """Keep the pictures; `latents` is (C_y, C_z), for the shapes of the noise."""
        self.pictures = [p for p in pictures if min(p.shape[:2]) >= crop]
        self.crop, self.batch, self.latents, self.tiers = crop, batch, latents, tiers
        self.seed, self.most, self.drawn = seed, most, drawn
        if not self.pictures:
            raise HfxError(f"no picture is {crop} pixels wide and high; use a smaller --crop")

    def at(self, step: int, device: torch.device, rank: int = 0, world: int = 1) -> Batch:
        """Return this process's share of the global batch of one step."""
        draw = np.random.default_rng((self.seed, step))
        chosen = draw.integers(len(self.pictures), size=self.batch)
        places = draw.random((self.batch, 2))
        flips = draw.random(self.batch) < 0.5
        # every tier equally often, in turn over steps when the batch is smaller than the tiers
        tier = (np.arange(self.batch) + step * self.batch) % self.tiers
        reduced = bool(draw.random() < 0.5)
        side = round(self.crop * draw.uniform(1, self.most)) if reduced else self.crop
        top, left = draw.integers(16, size=2)
        drawn = draw.random(self.batch) < self.drawn

        mine = slice(rank * self.batch // world, (rank + 1) * self.batch // world)
        x = torch.empty(len(drawn[mine]), 3, self.crop, self.crop, device=device)
        x = x.to(memory_format=torch.channels_last)
        alike: dict[tuple[int, ...], tuple[list[int], list[np.ndarray]]] = {}
        for place, n in enumerate(range(self.batch)[mine]):
            if drawn[n]:
                cut = graphic(np.random.default_rng((self.seed, step, n)), self.crop)
            else:
                cut = self._crop(self.pictures[chosen[n]], side, places[n], flips[n])
            where, cuts = alike.setdefault(cut.shape, ([], []))
            where.append(place)
            cuts.append(cut)
        for where, cuts in alike.values():  # those of one size need one transfer, one resizing
            x[where] = self._fit(torch.from_numpy(np.stack(cuts)).to(device))

        random = torch.Generator(device).manual_seed(self.seed * 1_000_003 + step)
        c_y, c_z = self.latents
        y_shape = (self.batch, c_y, self.crop // 16, self.crop // 16)
        z_shape = (self.batch, c_z, self.crop // 64, self.crop // 64)
        noise_y = torch.rand(y_shape, generator=random, device=device) - 0.5
        noise_z = torch.rand(z_shape, generator=random, device=device) - 0.5
        return Batch(
            x, torch.from_numpy(tier[mine]).to(device), noise_y[mine], noise_z[mine],
            torch.from_numpy(drawn[mine]).to(device), (int(top), int(left)),
        )  # fmt: skip

    @staticmethod
    def _crop(picture: np.ndarray, side: int, place: np.ndarray, flip: bool) -> np.ndarray:
        side = min(side, *picture.shape[:2])
        top = int(place[0] * (picture.shape[0] - side + 1))
        left = int(place[1] * (picture.shape[1] - side + 1))
        cut = picture[top : top + side, left : left + side]
        return np.array(cut[:, ::-1] if flip else cut)

    def _fit(self, cut: Tensor) -> Tensor:
        x = cut.permute(0, 3, 1, 2).float() / 255  # (n, 3, side, side)
        if x.shape[-1] != self.crop:
            x = F.interpolate(x, (self.crop, self.crop), mode="bicubic", antialias=True)
        return x.clamp(0, 1)


def patches_of(pictures: list[np.ndarray], side: int = 16) -> np.ndarray:
    """Return 40,000 patches from random places, (n, 3, side, side) uint8, for a warm start.

    Deterministic for given pictures.
    """
    draw = np.random.default_rng(0)
    patches = np.empty((400, 100, 3, side, side), np.uint8)
    for cut, number in zip(patches, draw.integers(len(pictures), size=400), strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(pictures[number], (side, side), (0, 1))
        tops, lefts = (draw.integers(n, size=100) for n in windows.shape[:2])
        cut[:] = windows[tops, lefts]
    return patches.reshape(-1, 3, side, side)
