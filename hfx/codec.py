r"""The whole story on one page: a picture to bytes and back.

    encode                                                  decode
    x -> E -> y -+-> Q(y - mu) -> symbols -> AE == .hfx == AD -> symbols -> + mu -> y_hat -> G -> x_hat
                 |                           ^             ^
                h_a -> z -> Q -> z_hat       +---- pmf ----+   the same integers on both sides
                                  |                ^
                                 h_s -> mu, sigma -+-> window -> none | KNN | XGBoost

AE / AD: range encoder and decoder. Every arrow that reaches "pmf" is integer arithmetic.
"""  # noqa: E501

import io
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from hfx import bitstream, image, weights
from hfx.bitstream import Header, Stream
from hfx.entropy import coder
from hfx.entropy.fixedpoint import ACT_BITS, LEVELS
from hfx.errors import BitstreamError, HfxError, WeightsError
from hfx.image import Picture, Source
from hfx.neighbours.models import Models
from hfx.networks import halo_of_encoder, halo_of_generator
from hfx.networks.layers import pick_tier
from hfx.prior import GAIN_BITS
from hfx.quality import level_of, possible, search, search_twice
from hfx.realism import Dial
from hfx.refine import Refiner
from hfx.tiles import analyse, padded_latents, synthesise

SYMBOL_LIMIT = 1 << 20  # no photograph comes near; it keeps escapes short


@dataclass(frozen=True, eq=False)
class Latents:
    """What a file says about a picture, as integers, and what z says about y.

    Attributes:
        level: Quality in 1/256 of a tier.
        z: (C_z, h/4, w/4) symbols.
        mu: (C_y, h, w) means of y, in 2^-ACT_BITS symbols.
        index: (C_y, h, w) the table that codes each symbol of y.
        y: (C_y, h, w) symbols: y rounded after mu is taken away.
    """

    level: int
    z: NDArray[np.int32]
    mu: NDArray[np.int32]
    index: NDArray[np.uint8]
    y: NDArray[np.int32]

    @property
    def side(self) -> tuple[int, NDArray[np.int32], NDArray[np.uint8]]:
        """What a decoder knows before the first symbol of y: level, mu, index."""
        return self.level, self.mu, self.index

    @property
    def crc(self) -> int:
        """CRC32 of all symbols, little-endian."""
        return zlib.crc32(_bytes(self.y), zlib.crc32(_bytes(self.z)))


@dataclass(frozen=True, eq=False)
class Analysis:
    """A picture behind E and h_a, before any decision about its quality.

    Shapes: y (1, C_y, h, w), z (1, C_z, h/4, w/4), real-valued, normalised.
    """

    picture: Picture
    y: Tensor
    z: Tensor


class Codec:
    """Compress and decompress with one set of weights.

    Example:
        >>> codec = hfx.load()                                            # doctest: +SKIP
        >>> data = codec.compress("photo.jpg", tier="low")                # doctest: +SKIP
        >>> codec.decompress(data).save("decoded.png")                    # doctest: +SKIP
    """

    def __init__(self, loaded: weights.Weights, models: Models | None = None) -> None:
        self.weights = loaded
        self.models = models or Models(None, loaded.fingerprint, loaded.prior.tables_y)
        self.dial = Dial(loaded.generator, loaded.gan, loaded.realism)
        self.halo_e = -(-halo_of_encoder(loaded.arch) // 16)
        self.halo_g = halo_of_generator(loaded.arch)

    # --- a picture becomes bytes

    def compress(
        self,
        source: Source,
        tier: str | None = None,
        *,
        quality: float | None = None,
        target_bpp: float | None = None,
        target_bytes: int | None = None,
        neighbours: str | None = None,
        effort: int = 0,
        max_pixels: int = bitstream.MAX_PIXELS,
    ) -> bytes:
        """Return the `.hfx` file of a picture; see `hfx.compress`."""
        kind, refiner = self.models.choose(neighbours), self.refiner(effort)
        analysis = self.analyse(image.load(source, max_pixels))
        level = level_of(self.weights.arch.tiers, tier, quality, target_bpp, target_bytes)

        def encode(at: int, refiner: Refiner | None = None) -> bytes:
            return self.write(analysis, self.quantize(analysis, at, refiner), kind)

        if level is not None:
            return encode(level, refiner)
        pixels = analysis.picture.height * analysis.picture.width
        bound = target_bytes if target_bytes is not None else round((target_bpp or 0) * pixels / 8)
        wish = (bound, target_bytes is not None)
        if refiner is None:
            return search(encode, *wish)
        return search_twice(encode, lambda at: encode(at, refiner), *wish)

    def refiner(self, effort: int) -> Refiner | None:
        """Return what refines symbols with an effort of 0 (nothing) to 3; see `hfx.refine`."""
        return Refiner.of(self.weights, effort)

    def analyse(self, picture: Picture) -> Analysis:
        """Run E and h_a: x to y and z."""
        y = analyse(self.weights.encoder, self.halo_e, picture.rgb)
        with torch.inference_mode():
            return Analysis(picture, y, self.weights.hyper_analysis(y))

    def quantize(self, analysis: Analysis, level: int, refiner: Refiner | None = None) -> Latents:
        """Round latents to symbols at a quality level, and refine them if asked to."""
        prior = self.weights.prior
        z = rounded(analysis.z[0].numpy() * real_gain(prior.gain_z(level)))
        mu, index = prior.expect_y(z, level)
        y = np.empty(index.shape, np.int32)
        gain = real_gain(prior.gain(level))
        for c, channel in enumerate(analysis.y[0].numpy()):  # one by one, to bound memory
            y[c] = rounded(channel * gain[c] - mu[c] * 2.0**-ACT_BITS)
        if refiner is not None:
            y = refiner.refine(analysis.picture.rgb, analysis.y, (level, mu, index), y)
            y = y.clip(-SYMBOL_LIMIT, SYMBOL_LIMIT)
        return Latents(level, z, mu, index, y)

    def write(self, analysis: Analysis, latents: Latents, neighbours: str = "none") -> bytes:
        """Code symbols and put them into a file."""
        prior, picture, model = self.weights.prior, analysis.picture, b""
        index_z = prior.expect_z(latents.level, latents.z.shape[1:])
        z, escapes_z = coder.encode(latents.z.ravel(), index_z.ravel(), prior.tables_z)
        if neighbours == "none":
            y, escapes_y = coder.encode(latents.y.ravel(), latents.index.ravel(), prior.tables_y)
        else:
            coding, fitted, model = self.models.get(neighbours)
            y, escapes_y = coding.encode(fitted, prior.tables_y, *latents.side, latents.y)
        header = Header(
            width=picture.width,
            height=picture.height,
            level=latents.level,
            fingerprint=self.weights.fingerprint,
            neighbours=neighbours,
            grey=picture.grey,
            symbols_crc=latents.crc,
            neighbours_model=model,
        )
        alpha = None if picture.alpha is None else alpha_bytes(picture.alpha)
        return bitstream.write(Stream(header, z, y, escapes_z, escapes_y, alpha))

    # --- bytes become a picture

    def decompress(
        self,
        data: bytes,
        max_pixels: int = bitstream.MAX_PIXELS,
        *,
        realism: float | None = None,
    ) -> Image.Image:
        """Return the picture in a `.hfx` file; see `hfx.decompress`."""
        self.dial.at(realism)  # refuses before the work, not after
        stream = bitstream.read(data, max_pixels)
        latents = self.read(stream)
        picture = self.synthesise(latents, stream.header, realism)
        alpha = None if stream.alpha is None else alpha_plane(stream.alpha, picture.rgb.shape)
        return image.to_pil(Picture(picture.rgb, alpha, picture.grey))

    def read(self, stream: Stream) -> Latents:
        """Decode a file's symbols, and be sure that they are the ones encoded."""
        header, prior = stream.header, self.weights.prior
        if header.fingerprint != self.weights.fingerprint:
            raise BitstreamError(
                f"written with other weights ({header.fingerprint.hex()}, these are "
                f"{self.weights.fingerprint.hex()}); {weights.reader_of(header.fingerprint)}"
            )
        if not possible(header.level):  # gains far outside would leave the exact range
            raise BitstreamError(f"damaged .hfx file: impossible quality level {header.level}")
        h, w = padded_latents(header.height, header.width)
        index_z = prior.expect_z(header.level, (h // 4, w // 4))
        z = coder.decode(stream.z, stream.escapes_z, index_z.ravel(), prior.tables_z)
        z = z.reshape(index_z.shape)
        mu, index = prior.expect_y(z, header.level)
        if header.neighbours == "none":
            y = coder.decode(stream.y, stream.escapes_y, index.ravel(), prior.tables_y)
        else:
            try:
                coding, fitted, model = self.models.get(header.neighbours)
            except WeightsError as error:
                raise BitstreamError(f"coded with a neighbour model: {error}") from error
            if model != header.neighbours_model:
                raise BitstreamError(
                    f"coded with another {header.neighbours} neighbour model "
                    f"({header.neighbours_model.hex()}, this one is {model.hex()}); decode with "
                    "the hfx release that wrote it"
                )
            side = (header.level, mu, index)
            y = coding.decode(fitted, prior.tables_y, *side, stream.y, stream.escapes_y)
        latents = Latents(header.level, z, mu, index, y.reshape(index.shape))
        if latents.crc != header.symbols_crc:
            raise BitstreamError("decoded symbols differ from the encoded ones; the file is bad")
        return latents

    def synthesise(
        self, latents: Latents, header: Header, realism: float | None = None
    ) -> Picture:
        """Run G: symbols to x_hat."""
        tier = torch.tensor([latents.level / LEVELS])
        degain = pick_tier(self.weights.log2_degain, tier).exp2()  # (1, C_y, 1, 1)

        def y_hat(rows: slice, columns: slice) -> Tensor:
            mu = latents.mu[:, rows, columns] * 2.0**-ACT_BITS
            return torch.from_numpy(latents.y[:, rows, columns] + mu)[None].float() * degain

        size = (header.height, header.width)
        rgb = synthesise(self.dial.at(realism), self.halo_g, y_hat, float(tier), size)
        if header.grey:
            grey = (rgb.sum(2, dtype=np.uint16) + 1) // 3  # the mean, rounded
            rgb = np.broadcast_to(grey.astype(np.uint8)[..., None], rgb.shape)
        return Picture(rgb, None, header.grey)


def load(source: Path | str | None = None, neighbours: str | None = None) -> Codec:
    """Return a codec ready for many pictures, with the shipped weights or the ones given.

    Args:
        source: Weights that `hfx export` wrote; the neighbour models lie beside them.
        neighbours: The model that `compress` uses unless told otherwise; None: "xgb" where one
            was fitted for these weights.

    Raises:
        WeightsError: the weights, or the neighbour model asked for, are missing or damaged.
    """
    path = weights.find(source)
    loaded = weights.load(path)
    models = Models(path, loaded.fingerprint, loaded.prior.tables_y)
    if neighbours is not None:
        models.preferred = models.choose(neighbours)
    return Codec(loaded, models)


def real_gain(gain: NDArray[np.int64]) -> NDArray[np.float32]:
    """Turn fixed-point gains into factors, (C,) to (C, 1, 1); the encoder's side only."""
    return (gain * 2.0**-GAIN_BITS).astype(np.float32)[:, None, None]


def rounded(v: NDArray[np.float32]) -> NDArray[np.int32]:
    """Round to symbols within +-SYMBOL_LIMIT."""
    return np.rint(v).clip(-SYMBOL_LIMIT, SYMBOL_LIMIT).astype(np.int32)


def alpha_bytes(alpha: NDArray[np.uint8]) -> bytes:
    """Keep transparency without loss, as a PNG."""
    out = io.BytesIO()
    Image.fromarray(alpha).save(out, format="PNG", optimize=True)
    return out.getvalue()


def alpha_plane(data: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Decode transparency; raises BitstreamError where it is not the picture's."""
    if not data.startswith(b"\x89PNG"):
        raise BitstreamError("damaged .hfx file: its alpha plane is no PNG")
    try:
        picture = image.load(data, max_pixels=shape[0] * shape[1])
    except HfxError as error:
        raise BitstreamError(f"damaged .hfx file: its alpha plane: {error}") from error
    if picture.rgb.shape != shape:
        raise BitstreamError("damaged .hfx file: its alpha plane has another size")
    return picture.rgb[..., 0]


def _bytes(symbols: NDArray[np.int32]) -> memoryview:
    return np.ascontiguousarray(symbols, "<i4").data
