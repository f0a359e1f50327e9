"""The ablations' instruments; and what is committed says what was measured."""

import csv
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

from experiments.ablations import __main__ as command
from experiments.ablations import measure
from experiments.ablations.table import Row, load, save, summarise
from experiments.ablations.variants import GROUPS, VARIANTS, base
from hfx.backbones import find_backbone
from hfx.compressor import Compressor
from hfx.config import TINY
from tests.synthetic import folder, patches, picture, run_of

RESULTS = Path(__file__).parents[1] / "data" / "results"
ROW = Row("baseline", "depth rate", 0, 10, 0, 1000.0, 5.0, bpp=0.3, psnr=30.0)
ROWS = [
    ROW,
    replace(ROW, seed=1, psnr=32.0, bpp=0.5),
    replace(ROW, seed=2, diverged=1, psnr=3.0),
    replace(ROW, variant="3 blocks", groups="depth", psnr=33.0, bpp=None),
]


# --- variants


def test_every_variant_is_a_model_and_is_compared_with_the_baseline_or_the_gan():
    assert len({v.name for v in VARIANTS}) == len(VARIANTS)
    assert {g for v in VARIANTS for g in v.groups} == set(GROUPS)
    for group in GROUPS:
        names = [v.name for v in VARIANTS if group in v.groups]
        assert len(names) > 1 and {"baseline", "GAN"} & set(names)
    how = base("tiny", 200, 192, 2)
    trained = [v.training(how, 120, 7) for v in VARIANTS]
    assert len({str(s.to_dict()) for s in trained}) == len(VARIANTS)
    assert all(s.seed == 7 and s.architecture().tiers == ("medium",) for s in trained)


def test_strategies_with_d_have_equally_many_steps():
    how = base("tiny", 200, 192, 2)
    steps = {v.name: v.training(how, 120, 0).steps for v in VARIANTS}
    alphas = {v.name: v.training(how, 120, 0).losses.alpha for v in VARIANTS if v.start}
    without = [alphas.pop(name) for name in list(alphas) if name.startswith("no GAN")]
    assert without == [0, 0] and len(set(alphas.values())) == 1 and min(alphas.values()) > 0
    assert steps["GAN from step 0"] == steps["baseline"] + steps["GAN, joint"] == 320
    starts = {v.start for v in VARIANTS} - {None, "blank"}
    assert starts <= {v.name for v in VARIANTS if v.start is None}


def test_a_fixed_zeta_is_fixed():
    fixed = next(v for v in VARIANTS if v.name == "fixed zeta").training(
        base("tiny", 9, 64, 2), 9, 0
    )
    losses = fixed.losses.for_tiers(("medium",))
    assert losses.zeta_a == losses.zeta_b and losses.rate_targets == (0.30,)


# --- measures


def log(path, rows):
    names = ["step", "minutes", *rows[0]]
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, names, restval="0")
        writer.writeheader()
        writer.writerows(rows)
    return measure.of_log(path)


def steps(count=100, **columns):
    row = {"grad_norm": 1.0, "mse": 50.0, "bpp_medium": 0.3, "zeta_medium": 4.0}
    return [row | {k: v[i] if isinstance(v, list) else v for k, v in columns.items()}
            for i in range(count)]  # fmt: skip


def test_a_log_tells_rate_and_stability(tmp_path):
    norms = [1000.0] * 5 + [float(i) for i in range(5, 100)]  # the first are warming up
    rates = [9.0] * 80 + [0.2, 0.4] * 10
    zetas = [8.0] * 50 + [1.0, 2.0] * 25
    found = log(tmp_path / "l", steps(grad_norm=norms, bpp_medium=rates, zeta_medium=zetas))
    assert found["rate"] == pytest.approx(0.3) and found["zeta"] == 1.5
    assert (found["grad_peak"], found["grad_median"]) == (99, 54.5)
    assert found["diverged"] == 0 and found["judged"] is None and found["grad_peak_d"] is None


def test_a_log_with_d_tells_whether_it_sees_a_difference(tmp_path):
    found = log(tmp_path / "l", steps(grad_norm_d=3.0, d_real=2.0, d_fake=-1.5))
    assert found["judged"] == 3.5 and found["grad_peak_d"] == 3.0


@pytest.mark.parametrize(
    ("mse", "diverged"),
    [([50.0] * 90 + [90.0] * 10, 0), ([50.0] * 90 + [110.0] * 10, 1),
     ([50.0] * 50 + [float("nan")] + [50.0] * 49, 1), ([50.0] * 99 + [float("inf")], 1)],
)  # fmt: skip
def test_what_explodes_is_called_diverged(tmp_path, mse, diverged):
    assert log(tmp_path / "l", steps(mse=mse))["diverged"] == diverged


def test_tiles_are_crops_and_go_back_to_their_places():
    x = torch.rand(1, 3, 128, 192)
    tiles = measure.tiles_of(x, 64)
    assert torch.equal(tiles[4], x[0, :, 64:, 64:128])
    assert torch.equal(measure.untiled(tiles, 128, 192), x)


@pytest.fixture(scope="module")
def model():
    return run_of(tier="medium").average


def photograph():
    return measure.cut(picture(3, 150, 220), 64)


def test_whole_and_in_tiles_differ_only_where_the_norm_sees_more_than_a_pixel(model):
    x = photograph()
    assert x.shape == (1, 3, 128, 192)
    whole, tiled = measure.through(model, x), measure.through(model, x, 64)
    alone = measure.through(model, measure.tiles_of(x, 64)[4:5])[0]
    torch.testing.assert_close(tiled[0][:, :, 64:, 64:128], alone, atol=1 / 255, rtol=0)
    assert float((whole[0] - x).square().mean() / (tiled[0] - x).square().mean()) == pytest.approx(
        1, rel=0.05
    )


def test_variants_are_compared_at_one_rate(model):
    pictures = [photograph(), measure.cut(picture(4, 192, 192), 64)]
    before, _ = measure.quality(model, pictures, {})
    target = 0.7 * before["bpp"]
    after, made = measure.quality(measure.at_rate(model, pictures, target), pictures, {})
    assert after["bpp"] == pytest.approx(target, rel=0.02)
    assert after["psnr"] < before["psnr"]
    assert [x.shape for x in made] == [x.shape for x in pictures]
    assert measure.quality(model, pictures, {})[0] == before  # the model itself has not moved
    assert measure.at_rate(model, pictures, 1e4) is None


def test_what_the_blocks_do_is_told(model):
    found = measure.convolved(model, [photograph()])
    assert 0 < found["e_convs"] < 1 and found["g_convs"] > 0
    assert measure.convolved(Compressor(replace(TINY, ladder=False)), [photograph()]) == {}


# --- tables


def test_round_trip(tmp_path):
    save(tmp_path / "a.csv", ROWS)
    assert load(tmp_path / "a.csv") == ROWS
    assert load(tmp_path / "none.csv") == []


def test_the_summary_counts_what_diverged_and_averages_the_rest():
    depth, blocks, rate = summarise(ROWS)
    assert (depth["group"], blocks["group"], rate["group"]) == ("depth", "depth", "rate")
    assert (depth["n"], depth["diverged"], depth["psnr"]) == (3, 1, 31)
    assert depth["psnr_std"] == pytest.approx(2**0.5)
    assert (blocks["n"], blocks["psnr"], blocks["psnr_std"]) == (1, 33, None)
    assert blocks["bpp"] is None and depth["fid768_at"] is None
    assert {k: v for k, v in rate.items() if k != "group"} == {
        k: v for k, v in depth.items() if k != "group"
    }


def test_the_committed_summary_follows_from_the_committed_rows(tmp_path):
    rows = RESULTS / "ablations.csv"
    if not rows.exists():
        pytest.skip("data/results is not part of this installation")
    save(tmp_path / "ablations.csv", load(rows))
    for name in ("ablations.csv", "ablations_summary.csv"):
        assert (tmp_path / name).read_text() == (RESULTS / name).read_text()
    # the rows are version 1.0.0's, which had the mean of both networks where there are turns now
    measured = {row.variant.replace("LPIPS both", "LPIPS in turns") for row in load(rows)}
    assert measured == {v.name for v in VARIANTS}
    assert all(line["n"] >= 3 for line in summarise(load(rows)))


# --- the command


@pytest.fixture
def few(monkeypatch, tmp_path):
    """The command with three variants of two steps on small pictures."""
    for net in ("alexnet", "squeezenet"):
        if not find_backbone(net):
            pytest.skip(f"HFX_WEIGHTS names no folder with {net}")
    names = ("baseline", "GAN", "GAN from step 0")
    monkeypatch.setattr(command, "VARIANTS", [v for v in VARIANTS if v.name in names])
    line = (
        f"--data {folder(tmp_path / 'train')} --test {folder(tmp_path / 'test', count=2)} "
        f"--out {tmp_path / 'a.csv'} --runs {tmp_path / 'runs'} --steps 3 --gan-steps 2 "
        "--crop 64 --seeds 0 --pictures 4"
    )
    with patch("hfx.run.patches_of", lambda pictures: patches()):
        yield lambda *more: command.main([*line.split(), *more])


def test_runs_are_done_once(few, tmp_path, monkeypatch, capsys):
    assert few() == 0
    rows = load(tmp_path / "a.csv")
    assert [(r.variant, r.steps) for r in rows] == [
        ("baseline", 3), ("GAN", 2), ("GAN from step 0", 5)
    ]  # fmt: skip
    assert all(r.bpp and r.psnr and r.lpips and r.squeeze and r.grad_peak for r in rows)
    assert rows[0].bpp_tiles and rows[1].bpp_tiles is None  # for norms alone
    assert rows[0].rate != rows[1].rate and rows[1].grad_peak_d
    assert rows[1].bpp == pytest.approx(rows[0].bpp)  # E is frozen: the same files
    assert rows[2].bpp != rows[0].bpp
    assert all(r.fid768_at is None for r in rows)  # no picture holds a patch
    assert few("--gan-steps", "4") == 2
    assert "GAN-0 holds a run of other settings" in capsys.readouterr().err
    assert load(tmp_path / "a.csv") == rows
    monkeypatch.setattr(command, "train", None)
    assert few() == 0 and load(tmp_path / "a.csv") == rows


def test_what_cannot_be_run_is_said_in_a_line(tmp_path, capsys):
    given = f"--data {tmp_path / 'x'} --test {tmp_path} --out {tmp_path / 'a.csv'}"
    assert command.main([*given.split(), "--runs", str(tmp_path / "r")]) == 2
    assert "does not exist" in capsys.readouterr().err
