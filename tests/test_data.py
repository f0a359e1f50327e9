import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from hfx.data import Crops, files_in, held_out, load_pictures, patches_of
from hfx.errors import HfxError
from hfx.graphics import graphic
from tests.synthetic import CPU, folder, picture, pictures


def crops(batch=6, seed=0, crop=64, pics=None, tiers=3):
    return Crops(pics or pictures(), crop, batch, (8, 4), tiers, seed)


def fields_of(batch):
    return batch.x, batch.tier, batch.noise_y, batch.noise_z, batch.drawn


def test_crops_depend_on_seed_and_step_only():
    first, again = crops(), crops()
    first.at(0, CPU)  # what was drawn before does not matter
    for step in (1, 2):
        for a, b in zip(
            fields_of(first.at(step, CPU)), fields_of(again.at(step, CPU)), strict=True
        ):
            assert torch.equal(a, b)
    assert not torch.equal(first.at(1, CPU).x, first.at(3, CPU).x)
    assert not torch.equal(first.at(1, CPU).x, crops(seed=1).at(1, CPU).x)
    assert not torch.equal(first.at(1, CPU).noise_y, crops(seed=1).at(1, CPU).noise_y)


def test_the_window_s_corner_depends_on_seed_and_step_alone():
    corners = [crops().at(step, CPU).corner for step in range(40)]
    assert corners == [crops().at(step, CPU, 1, 2).corner for step in range(40)]
    assert corners != [crops(seed=1).at(step, CPU).corner for step in range(40)]
    assert {type(side) for corner in corners for side in corner} == {int}
    assert min(map(min, corners)) == 0 and max(map(max, corners)) == 15


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("world", [2, 3])
def test_slices_over_processes_make_the_global_batch(step, world):
    whole = fields_of(crops().at(step, CPU))
    parts = [fields_of(crops().at(step, CPU, rank, world)) for rank in range(world)]
    for a, *b in zip(whole, *parts, strict=True):
        assert torch.equal(a, torch.cat(b))


def test_shapes_and_ranges():
    for step in range(4):
        batch = crops().at(step, CPU)
        assert batch.x.shape == (6, 3, 64, 64)
        assert batch.noise_y.shape == (6, 8, 4, 4) and batch.noise_z.shape == (6, 4, 1, 1)
        assert 0 <= batch.x.min() and batch.x.max() <= 1
        assert -0.5 <= batch.noise_y.min() and batch.noise_y.max() < 0.5


def test_a_crop_is_cut_from_a_picture_perhaps_flipped():
    pics = pictures(2)
    plain = Crops(pics, 64, 1, (8, 4), 3, most=1.0, drawn=0.0)
    x = (plain.at(0, CPU).x * 255).round().byte()[0].permute(1, 2, 0).numpy()
    for view in (p[:, ::step] for p in pics for step in (1, -1)):
        windows = np.lib.stride_tricks.sliding_window_view(view, (64, 64, 3))
        if (windows == x).all((-1, -2, -3)).any():
            return
    raise AssertionError("found in no picture")


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
def test_every_tier_gets_the_same_number_of_crops(batch):
    seen = torch.cat([crops(batch=batch).at(step, CPU).tier for step in range(3)])
    assert seen.bincount().tolist() == [batch, batch, batch]


def test_pictures_just_large_enough_serve_enlarged_crops_too():
    pics = [picture(0, 64, 70), picture(1, 200, 200)]
    for step in range(8):
        assert crops(pics=pics).at(step, CPU).x.shape == (6, 3, 64, 64)


def test_some_steps_reduce_their_pictures():
    """A stripe of one pixel keeps its contrast in a plain crop, and loses it in a reduced one."""
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    made = Crops([stripes], 64, 1, (8, 4), 3, drawn=0.0)
    contrast = [float(made.at(step, CPU).x.std()) for step in range(40)]
    plain = sum(c > 0.49 for c in contrast)
    assert 8 < plain < 32
    assert min(contrast) < 0.3


def test_one_crop_in_eight_is_drawn_and_a_function_of_its_place():
    made = crops(batch=8)
    drawn = torch.stack([made.at(step, CPU).drawn for step in range(60)])
    assert 0.08 < float(drawn.float().mean()) < 0.18
    step, n = (int(v) for v in drawn.nonzero()[0])
    expected = graphic(np.random.default_rng((0, step, n)), 64)
    x = (made.at(step, CPU).x[n] * 255).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal(x, expected)


def test_no_picture_large_enough_is_said():
    with pytest.raises(HfxError, match="64"):
        crops(pics=[picture(0, 63, 80)])


def test_held_out_pictures_are_never_trained_on(tmp_path):
    folder(tmp_path, count=3, held=2)
    train, kept = load_pictures([tmp_path]), load_pictures([tmp_path], held=True)
    assert (len(train), len(kept)) == (3, 2)
    assert not {p.tobytes() for p in train} & {p.tobytes() for p in kept}


def test_one_name_in_24_is_held_out_wherever_it_lies():
    names = [f"{n:05d}.jpg" for n in range(4800)]
    assert 150 < sum(map(held_out, names)) < 250


def test_crops_of_one_photograph_share_its_fate():
    for n in range(200):
        crops = [f"sea{n}_{k}.jpg" for k in range(4)]
        assert len({held_out(crop) for crop in [*crops, f"sea{n}.png"]}) == 1


def packed(source, path):
    with tarfile.open(path, "w") as tar:
        for file in sorted(source.iterdir()):
            tar.add(file, f"some/where/{file.name}")
    return path


def test_a_tar_a_folder_and_a_folder_of_tars_are_equal(tmp_path):
    source = folder(tmp_path / "a", count=3, held=1)
    (source / "notes.txt").write_text("no picture")
    (tmp_path / "b").mkdir()
    shard = packed(source, tmp_path / "b" / "shard-0.tar")
    expected = list(files_in(source))
    assert len(expected) == 4
    assert list(files_in(shard)) == list(files_in(shard.parent)) == expected
    for held in (False, True):
        ways = [load_pictures([s], held=held) for s in (source, shard, shard.parent)]
        for same in zip(*ways, strict=True):
            assert np.array_equal(same[0], same[1]) and np.array_equal(same[0], same[2])


def test_limit_and_least(tmp_path):
    folder(tmp_path, count=3)
    assert len(load_pictures([tmp_path], limit=2)) == 2
    with pytest.raises(HfxError, match="at least 500"):
        load_pictures([tmp_path], least=500)


@pytest.mark.parametrize("harm", ["cut", "noise", "header", "empty"])
def test_a_broken_file_is_skipped(tmp_path, harm):
    folder(tmp_path, count=3)
    victim = sorted(tmp_path.iterdir())[1]
    data = victim.read_bytes()
    broken = {
        "cut": data[: len(data) // 2],
        "noise": bytes(range(256)) * 4,
        "header": data[:20] + b"\xff" * 12 + data[32:],
        "empty": b"",
    }
    victim.write_bytes(broken[harm])
    assert len(load_pictures([tmp_path])) == 2


def test_other_modes_become_rgb(tmp_path):
    for number, mode in enumerate(("L", "RGBA", "P", "CMYK")):
        kind = "jpg" if mode == "CMYK" else "png"
        Image.fromarray(picture(number)).convert(mode).save(tmp_path / f"m{number}.{kind}")
    found = [p for held in (False, True) for p in _either(tmp_path, held)]
    assert [p.shape for p in found] == [(128, 160, 3)] * 4


def _either(path, held):
    try:
        return load_pictures([path], held=held)
    except HfxError:
        return []


def test_sources_that_are_none(tmp_path):
    with pytest.raises(HfxError, match="does not exist"):
        list(files_in(tmp_path / "nowhere"))
    (tmp_path / "x.tar").write_bytes(b"this is no tar file" * 100)
    with pytest.raises(HfxError, match="tar"):
        list(files_in(tmp_path / "x.tar"))
    folder(tmp_path / "a", count=2)
    whole = packed(tmp_path / "a", tmp_path / "cut.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[: len(whole) // 3])
    with pytest.raises(HfxError, match="tar"):
        list(files_in(tmp_path / "cut.tar"))


def test_patches_lie_in_the_pictures_and_are_the_same_every_time():
    pics = pictures(2)
    cut = patches_of(pics, side=4)
    assert cut.shape == (40_000, 3, 4, 4) and cut.dtype == np.uint8
    assert np.array_equal(cut, patches_of(pics, side=4))
    for patch in cut[::10_000]:
        views = (np.lib.stride_tricks.sliding_window_view(p, (4, 4), (0, 1)) for p in pics)
        assert any((view == patch).all((-1, -2, -3)).any() for view in views)


def test_a_picture_in_memory_is_what_its_file_says(tmp_path):
    data = io.BytesIO()
    Image.fromarray(picture(5)).save(data, "PNG")
    name = next(n for n in (f"q{i}.png" for i in range(99)) if not held_out(n))
    (tmp_path / name).write_bytes(data.getvalue())
    assert np.array_equal(load_pictures([tmp_path])[0], picture(5))
