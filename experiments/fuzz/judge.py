"""What became of a mutant: refused as it should be, the right picture, or a fault."""

import io
import re

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hfx import bitstream
from hfx.bitstream import Header
from hfx.codec import Analysis, Codec
from hfx.errors import BitstreamError
from hfx.image import Picture

FINE = ("refused", "right picture", "picture as forged")


class Judge:
    """Decodes mutants of files that it knows.

    Args:
        codec: Decodes.
        files: The valid files that mutants are made of.
    """

    def __init__(self, codec: Codec, files: list[bytes]) -> None:
        self.codec = codec
        self.pixels: dict[Header, NDArray[np.uint8]] = {}
        self.alphas: dict[bytes, NDArray[np.uint8]] = {}
        for data in files:
            stream = bitstream.read(data)
            self.pixels[stream.header] = colours(codec.decompress(data))
            if stream.alpha is not None:
                self.alphas[stream.alpha] = np.array(Image.open(io.BytesIO(stream.alpha)))

    def verdict(self, data: bytes) -> tuple[str, str]:
        """Return what happened, one of FINE or a fault, and its cause in words."""
        try:
            picture = self.codec.decompress(data)
        except BitstreamError as error:
            return "refused", str(error)
        except MemoryError as error:
            return "out of memory", str(error)
        except Exception as error:  # whatever it is, it should not have happened
            return type(error).__name__, str(error)
        return self.look(picture, data), ""

    def look(self, picture: Image.Image, data: bytes) -> str:
        """Compare a decoded picture with what its file must mean."""
        stream = bitstream.read(data)
        header = stream.header
        mode = ("L" if header.grey else "RGB") + ("" if stream.alpha is None else "A")
        opaque = mode.removesuffix("A")  # where alpha is, but all of it is 255
        if picture.size != (header.width, header.height) or picture.mode not in (mode, opaque):
            return "wrong size or mode"
        if stream.alpha in self.alphas and picture.mode == mode:
            if not np.array_equal(np.array(picture)[..., -1], self.alphas[stream.alpha]):
                return "wrong transparency"
        if header in self.pixels:  # the same header promises the same symbols, by their CRC
            same = np.array_equal(colours(picture), self.pixels[header])
            return "right picture" if same else "wrong picture"
        # A header that nobody wrote, with a right checksum: what it says must be all there is.
        latents = self.codec.read(stream)
        blank = Picture(np.zeros((header.height, header.width, 3), np.uint8), None, header.grey)
        y = self.codec.analyse(blank)
        again = self.codec.write(Analysis(blank, y.y, y.z), latents, header.neighbours)
        twin = bitstream.read(again)
        chunks = [(s.z, s.y, s.escapes_z, s.escapes_y) for s in (stream, twin)]
        return "picture as forged" if chunks[0] == chunks[1] else "two files of the same symbols"


def colours(picture: Image.Image) -> NDArray[np.uint8]:
    """Return a picture without its transparency, (H, W) or (H, W, 3)."""
    return np.array(picture.convert(picture.mode.removesuffix("A")))


def slug(cause: str) -> str:
    """Return a cause as part of a file's name: no numbers, which differ from file to file."""
    words = re.sub(r"\([^)]*\)|\S*\d\S*", " ", cause.partition(";")[0].lower())
    return re.sub(r"[^a-z]+", "-", words).strip("-")[:60].strip("-")
