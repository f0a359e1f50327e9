"""Ours against classical codecs at equal bytes, picture by picture: the numbers behind claims.

For every picture and tier: our file, decoded and measured, then of each classical codec the
largest file that is not larger. A codec whose smallest file is larger than ours takes part with
that one; its bpp says so.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hfx import image, metrics
from hfx.classical import CODECS, Ladder, decode
from hfx.codec import Codec
from hfx.errors import HfxError
from hfx.folders import PICTURES, files_in
from hfx.results import Row, load, save

MEASURES = {
    "psnr": metrics.psnr,
    "ssim": metrics.ssim,
    "ms_ssim": metrics.ms_ssim,
    "lpips": metrics.lpips,
}
SWEEP = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)  # our qualities
Pixels = np.ndarray


def pictures_of(folder: Path) -> dict[str, Path]:
    """Return a folder's pictures by name; raises HfxError where there is none."""
    if not folder.is_dir():
        raise HfxError(f"{folder} is not a folder; give a folder of pictures")
    found = {p.relative_to(folder).as_posix(): p for p in files_in(folder, PICTURES)}
    if not found:
        raise HfxError(f"no pictures in {folder}")
    return found


def run(
    codec: Codec,
    pictures: dict[str, Path],
    path: Path,
    *,
    sweep: bool = False,
    tell: Callable[[str], None] = lambda line: None,
    step: Callable[[], None] = lambda: None,
) -> list[Row]:
    """Measure what the CSV does not hold yet, writing it after every picture.

    Args:
        codec: Ours.
        pictures: Paths by name.
        path: The CSV.
        sweep: Also measure every codec over a fixed series of settings, for curves.
        tell: Receives a line for everything left out, with its reason, once.
        step: Called after each picture.

    Raises:
        HfxError: the CSV cannot be read or written.
    """
    model = model_of(codec)
    kept = (row for row in load(path) if row.model == model and not measurable(row))
    rows = {row.key: row for row in kept}
    codecs, told = [], set[str]()

    def once(line: str) -> None:
        if line not in told:
            told.add(line)
            tell(line)

    for classical in CODECS:
        if reason := classical.missing():
            once(f"{classical.name} is left out: {reason}")
        else:
            codecs.append(classical)
    codec.decompress(codec.compress(np.zeros((64, 64, 3), np.uint8)))  # warm, as in daily use
    for name, source in pictures.items():
        try:
            rgb = image.load(source).rgb
            ladders = [Ladder(classical, rgb) for classical in codecs]
            bench = Bench(codec, name, rgb, ladders, model, rows, once)
            for tier in codec.weights.arch.tiers:
                bench.tier(tier)
            if sweep:
                bench.sweep()
            save(path, list(rows.values()))
        except HfxError as error:
            once(f"{name} is left out: {error}")
        step()
    return [row for row in rows.values() if row.image in pictures]


@dataclass
class Bench:
    """One picture on the bench; finished rows go into `rows`."""

    codec: Codec
    name: str
    rgb: Pixels
    ladders: list[Ladder]
    model: str
    rows: dict[tuple[str, str, str], Row]
    tell: Callable[[str], None]

    def tier(self, tier: str) -> None:
        """Measure our file of a tier, and theirs of no more bytes."""
        ours = self.rows.get((self.name, "hfx", tier))
        if ours is None:
            ours = self.ours(tier, tier=tier)
        for ladder in self.ladders:
            if (self.name, ladder.codec.name, tier) not in self.rows:
                try:
                    rung = ladder.largest_within(ours.bytes)
                    self.theirs(ladder, rung or 0, tier, "" if rung is not None else ", smallest")
                except HfxError as error:
                    self.tell(str(error))

    def sweep(self) -> None:
        """Measure every codec at its own series of settings."""
        for quality in SWEEP:
            setting = f"quality {quality}"
            if (self.name, "hfx", setting) not in self.rows:
                self.ours(setting, quality=quality)
        for ladder in self.ladders:
            for rung in ladder.codec.swept:
                if (self.name, ladder.codec.name, ladder.codec.describe(rung)) not in self.rows:
                    try:
                        self.theirs(ladder, rung, "", "")
                    except HfxError as error:
                        self.tell(str(error))

    def ours(self, setting: str, tier: str | None = None, quality: float | None = None) -> Row:
        """Encode, decode and measure one file of ours."""
        begun = time.perf_counter()
        data = self.codec.compress(self.rgb, tier, quality=quality)
        spent = time.perf_counter() - begun
        return self.finish(
            "hfx", setting, tier or "", data, spent,
            lambda: np.asarray(self.codec.decompress(data)),
        )  # fmt: skip

    def theirs(self, ladder: Ladder, rung: int, tier: str, note: str) -> Row:
        """Encode, decode and measure one file of a classical codec."""
        data, spent = ladder.at(rung)
        setting = ladder.codec.describe(rung) + note
        return self.finish(ladder.codec.name, setting, tier, data, spent, lambda: decode(data))

    def finish(
        self, codec: str, setting: str, tier: str, data: bytes, spent: float,
        decoder: Callable[[], Pixels],
    ) -> Row:  # fmt: skip
        """Decode a file, measure the picture, keep the row."""
        begun = time.perf_counter()
        x_hat = decoder()
        decode_s = time.perf_counter() - begun
        height, width = self.rgb.shape[:2]
        row = Row(
            image=self.name, codec=codec, setting=setting, tier=tier, bytes=len(data),
            bpp=8 * len(data) / (height * width), **measure(self.rgb, x_hat, self.tell),
            encode_s=spent, decode_s=decode_s, model=self.model,
        )  # fmt: skip
        self.rows[row.key] = row
        return row


def measure(x: Pixels, x_hat: Pixels, tell: Callable[[str], None]) -> dict[str, float | None]:
    """Return every measure of a pair; None where it is unavailable, the reason told."""
    values: dict[str, float | None] = {}
    for name, function in MEASURES.items():
        try:
            values[name] = function(x, x_hat)
            if values[name] is None:
                tell(f"{name} is blank for pictures as small as {x.shape[1]} x {x.shape[0]}")
        except HfxError as error:
            values[name] = None
            tell(f"{name} is left blank: {error}")
    return values


def measurable(row: Row) -> bool:
    """Say whether a row lacks LPIPS, for want of its network, that could be had now."""
    if row.lpips is not None or row.ms_ssim is None:
        return False
    probe = np.zeros((64, 64, 3), np.uint8)
    return measure(probe, probe, lambda line: None)["lpips"] is not None


def model_of(codec: Codec) -> str:
    """Return a digest of all weights: the fingerprint of files leaves E and G free to change."""
    sha = hashlib.sha256(codec.weights.fingerprint)
    kind = codec.models.preferred
    if kind != "none":
        sha.update(codec.models.get(kind)[2])
    for module in (codec.weights.encoder, codec.weights.hyper_analysis, codec.weights.generator):
        for value in module.state_dict().values():
            sha.update(value.contiguous().numpy().tobytes())
    sha.update(codec.weights.log2_degain.numpy().tobytes())
    return sha.hexdigest()[:16]
