"""Tiles with halos give the result of the whole picture."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hfx.config import COMPACT, PAPER, TINY
from hfx.networks import encoder_of, generator_of, halo_of_encoder, halo_of_generator
from hfx.tiles import LEAST, TILE, analyse, each, grid, padded_latents, spans, synthesise, times
from tests.synthetic import loud

WHOLE = 10_000
# The presets' depths with few channels: reach depends on depth alone.
SLIM = {
    "tiny": replace(TINY, widths=(6, 6, 6), latent=5, hyper=4),
    "compact": replace(COMPACT, widths=(6, 6, 6), latent=5, hyper=4),
    "paper": replace(PAPER, widths=(4,) * 5, latent=5, hyper=4),
    "odd": replace(
        TINY, widths=(6, 6, 6), latent=5, encoder_blocks=(2, 1, 0), generator_blocks=(2, 1, 0)
    ),
}
SIZES = [(1, 1), (17, 3), (200, 70), (65, 257)]


def tiles(preset):
    """Sides of tiles in latents; few and large where the halo alone is 21."""
    return (8,) if preset == "paper" else (4, 8, 7)


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("length", [1, 4, 7, 96, 97])
@pytest.mark.parametrize("tile", [1, 4, 96])
@pytest.mark.parametrize("halo", [0, 3])
def test_spans_cover_an_axis_once(length, tile, halo):
    axis, seen = np.arange(length), []
    for span in spans(length, tile, halo):
        assert len(axis[span.core]) <= tile
        np.testing.assert_array_equal(axis[span.seen][span.inside], axis[span.core])
        for reach in range(halo + 1):  # as much of the halo as the axis has
            assert {max(0, span.core_from - reach)} <= set(axis[span.seen])
            assert {min(length, span.core_to + reach) - 1} <= set(axis[span.seen])
        seen += list(axis[span.core])
    assert seen == list(range(length))


@pytest.mark.parametrize("workers", [1, 2, 3, 16])
@pytest.mark.parametrize(
    "size", [(252, 376), (252, 128), (48, 300), (300, 48), (96, 96), (32, 48), (4, 4)]
)
def test_pieces_are_as_many_for_each_worker_and_of_much_the_same_size(size, workers):
    pieces = grid(*size, TILE, 3, workers)
    seen = np.zeros(size, int)
    for rows, columns in pieces:
        seen[rows.core, columns.core] += 1
    assert (seen == 1).all()
    areas = [seen[rows.core, columns.core].sum() for rows, columns in pieces]
    assert max(areas) <= TILE**2
    assert len(pieces) % workers == 0 or min(areas) < 2 * LEAST
    if size == (32, 48):
        assert len(pieces) == {1: 1, 2: 2, 3: 6, 16: 6}[workers]
    if size == (4, 4):
        assert len(pieces) == 1


def test_a_piece_that_fails_is_heard_of_and_threads_are_as_before():
    before, done = torch.get_num_threads(), []

    def work(rows, columns):
        done.append(rows)
        raise MemoryError

    with pytest.raises(MemoryError):
        each(grid(8, 8, 2, 0), work)
    assert done and torch.get_num_threads() == before


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_each_piece_is_done_once_by_however_many(threads):
    before, done = torch.get_num_threads(), []
    pieces = grid(8, 8, 2, 0)
    torch.set_num_threads(threads)
    try:
        each(pieces, lambda rows, columns: done.append((rows, columns)))
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert sorted(done) == sorted(pieces)


@pytest.mark.parametrize("size", [(130, 333), (320, 257), (256, 512)], ids=str)
def test_neither_tiles_nor_threads_change_a_bit(size):
    """With the channels of the weights that ship: wide convolutions share their work otherwise.

    Pieces of less than 80 latents go through other kernels of torch; `LEAST` is far from them.
    """
    encoder, generator = (loud(of(COMPACT)).eval() for of in (encoder_of, generator_of))
    halo_e, halo_g = -(-halo_of_encoder(COMPACT) // 16), halo_of_generator(COMPACT)
    rgb, before = noise(*size), torch.get_num_threads()

    def run(tile, threads):
        torch.set_num_threads(threads)
        try:
            y = analyse(encoder, halo_e, rgb, tile)
            make = lambda rows, columns: whole[:, :, rows, columns]  # noqa: E731
            return y, synthesise(generator, halo_g, make, 1.0, size, tile)
        finally:
            torch.set_num_threads(before)

    torch.set_num_threads(1)
    whole = analyse(encoder, halo_e, rgb, WHOLE)
    _, pixels = run(WHOLE, 1)
    for tile, threads in ((8, 1), (8, 2), (WHOLE, 2), (None, 3)):
        y, x_hat = run(tile, threads)
        assert torch.equal(y, whole), (tile, threads)
        np.testing.assert_array_equal(x_hat, pixels)


def test_sides_are_padded_to_multiples_of_64():
    assert padded_latents(1, 1) == (4, 4)
    assert padded_latents(64, 65) == (4, 8)
    assert times(slice(2, 5), 16) == slice(32, 80)


@pytest.mark.parametrize("preset", SLIM)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_analysis_is_that_of_the_whole(preset, size):
    encoder = loud(encoder_of(SLIM[preset])).eval()
    halo = -(-halo_of_encoder(SLIM[preset]) // 16)
    rgb = noise(*size)
    whole = analyse(encoder, halo, rgb, WHOLE)
    assert whole.shape == (1, SLIM[preset].latent, *padded_latents(*size))
    for tile in tiles(preset):
        assert float((analyse(encoder, halo, rgb, tile) - whole).abs().max()) < 1e-4


@pytest.mark.parametrize("preset", SLIM)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_synthesis_is_that_of_the_whole(preset, size):
    arch = SLIM[preset]
    generator, halo = loud(generator_of(arch)).eval(), halo_of_generator(arch)
    y_hat = torch.randn(1, arch.latent, *padded_latents(*size))

    def run(tile, halo):
        make = lambda rows, columns: y_hat[:, :, rows, columns]  # noqa: E731
        return synthesise(generator, halo, make, 0.0, size, tile).astype(int)

    whole = run(WHOLE, halo)
    assert whole.shape == (*size, 3)
    for tile in tiles(preset):
        assert np.abs(run(tile, halo) - whole).max() <= 1


def test_without_halos_seams_would_show():
    """Or the tests above would say nothing."""
    arch, rgb = SLIM["compact"], noise(200, 70)
    encoder = loud(encoder_of(arch)).eval()
    assert float((analyse(encoder, 0, rgb, 4) - analyse(encoder, 0, rgb, WHOLE)).abs().max()) > 0.1


def test_padding_repeats_the_edge():
    encoder = encoder_of(SLIM["tiny"]).eval()
    rgb = noise(70, 10)
    padded = np.pad(rgb, ((0, 58), (0, 54), (0, 0)), mode="edge")
    assert torch.equal(analyse(encoder, 4, rgb), analyse(encoder, 4, padded))
