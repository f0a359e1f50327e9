"""Table 2: crops that show detail, the pictures that decoders make, one sheet."""

import numpy as np
import pytest
from PIL import Image

from hfx import contact
from hfx.bench import pictures_of
from hfx.contact import CROP, GAP, LINE, busiest, chosen, row_of, sheet
from hfx.errors import HfxError


def test_evenly_chosen():
    names = [f"{i:02}" for i in range(24)]
    assert chosen(names[:3]) == names[:3]
    assert chosen(names)[0] == "00" and chosen(names)[-1] == "23" and len(chosen(names)) == 8


def test_the_crop_shows_detail():
    rgb = np.zeros((600, 900, 3), np.uint8)
    rgb[320:450, 500:630] = np.random.default_rng(0).integers(0, 255, (130, 130, 3))
    rows, columns = busiest(rgb)
    assert rows.start <= 320 and rows.stop >= 450
    assert columns.start <= 500 and columns.stop >= 630
    assert rgb[busiest(rgb)].shape == (CROP, CROP, 3)


@pytest.mark.parametrize("size", [(1, 1), (40, 900), (256, 256), (257, 300)])
def test_any_size(size):
    rows, columns = busiest(np.zeros((*size, 3), np.uint8))
    assert rows.start == 0 or rows.stop <= size[0]
    assert columns.start == 0 or columns.stop <= size[1]


def test_cells_are_what_decoders_make(tiny_codec, portrait):
    cells = row_of(tiny_codec, "a.png", portrait, ["none"])
    cut = busiest(portrait)
    assert len(cells) == 4 and (cells[0][0] == portrait[cut]).all()
    assert cells[0][1] == ["a.png", "512 x 512"]
    for (crop, lines), tier in zip(cells[1:], ("low", "medium", "high"), strict=True):
        data = tiny_codec.compress(portrait, tier)
        assert (crop == np.asarray(tiny_codec.decompress(data))[cut]).all()
        assert lines == [f"HiFi: {len(data):,} bytes, {8 * len(data) / 512**2:.3f} bpp"]


def test_a_sheet(tiny_codec, portrait, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(portrait).save(folder / "a.png")
    Image.fromarray(portrait[:64, :80]).save(folder / "b.png")
    (folder / "c.png").write_bytes(b"no picture")
    told, steps = [], []
    sheet(tiny_codec, pictures_of(folder), tmp_path / "t.png", told.append,
          lambda: steps.append(1))  # fmt: skip
    assert len(steps) == 3 and any("c.png is left out" in line for line in told)
    page = Image.open(tmp_path / "t.png")
    assert page.width == GAP + 4 * (CROP + GAP) and page.height > 2 * CROP
    corner = np.asarray(page)[LINE + 2 * GAP :, GAP:][:CROP, :CROP]
    assert (corner == portrait[busiest(portrait)]).all()


def test_no_picture_at_all(tiny_codec, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no")
    with pytest.raises(HfxError, match="no picture for the contact sheet"):
        sheet(tiny_codec, pictures_of(tmp_path), tmp_path / "t.png")
    assert contact.PICTURES == 8 and not (tmp_path / "t.png").exists()
