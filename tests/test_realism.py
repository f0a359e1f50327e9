"""The realism dial: one file, several pictures, and clear words where there is no dial."""

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from experiments import realism as experiment
from hfx import bench, checkpoint, weights
from hfx.backbones import BACKBONES, find_backbone
from hfx.cli import app
from hfx.codec import Codec, load
from hfx.compressor import Compressor
from hfx.config import COMPACT, Training
from hfx.errors import HfxError, WeightsError
from hfx.export import export, freeze
from hfx.inception import Inception
from hfx.realism import KEPT, Dial, mix
from tests import synthetic


@pytest.fixture(scope="module")
def second(tiny_model):
    """The model after a stage 2 that changed G's last convolutions."""
    model = copy.deepcopy(tiny_model)
    with torch.no_grad():
        noise = torch.Generator().manual_seed(1)
        for p in (model.generator.tail.weight, model.generator.head.weight):
            p += 0.02 * torch.randn(p.shape, generator=noise)
    return model


@pytest.fixture(scope="module")
def runs(tiny_model, second, tmp_path_factory):
    """Folders like those of `hfx train`: of stage 1 and of stage 2."""
    folder = tmp_path_factory.mktemp("runs")
    for name, model, stage in (("first", tiny_model, 1), ("second", second, 2)):
        meta = {
            "architecture": model.arch.to_dict(),
            "settings": Training(preset="tiny", stage=stage).to_dict(),
            "step": 12 * stage,
            "seconds": 90.0,
        }
        path = folder / name / "checkpoint.safetensors"
        path.parent.mkdir()
        checkpoint.write(path, checkpoint.gather("average", model), meta)
    return folder


@pytest.fixture(scope="module")
def exported(runs):
    """The weights of both runs in one file, and the same of each run alone."""
    export(runs / "first", runs / "both.safetensors", gan=runs / "second", realism=0.75)
    export(runs / "first", runs / "one.safetensors")
    export(runs / "second", runs / "two.safetensors")
    return runs


def pixels(codec, data, **how):
    return np.asarray(codec.decompress(data, **how)).astype(int)


def test_one_file_decodes_to_both_pictures(exported, photo):
    both, one, two = (load(exported / f"{n}.safetensors") for n in ("both", "one", "two"))
    data = both.compress(photo)
    assert data == one.compress(photo) == two.compress(photo)
    faithful, realistic = pixels(one, data), pixels(two, data)
    assert np.array_equal(pixels(both, data, realism=0), faithful)
    assert np.array_equal(pixels(both, data, realism=1), realistic)
    assert np.abs(faithful - realistic).mean() > 1
    between = np.abs(pixels(both, data, realism=0.5) - faithful).mean()
    assert 0 < between < np.abs(realistic - faithful).mean()


def test_the_default_comes_with_the_weights(exported, photo):
    both = load(exported / "both.safetensors")
    data = both.compress(photo)
    assert both.weights.realism == 0.75
    assert np.array_equal(pixels(both, data), pixels(both, data, realism=0.75))
    assert not np.array_equal(pixels(both, data), pixels(both, data, realism=0))


def test_what_both_share_is_stored_once(exported):
    tensors, _ = checkpoint.read(exported / "both.safetensors")
    assert sorted(k for k in tensors if k.startswith("gan.")) == [
        "gan.head.weight",
        "gan.tail.weight",
    ]


def test_both_runs_are_remembered(exported):
    about = weights.load(exported / "both.safetensors").about
    assert about["step"] == 12 and about["gan"]["step"] == 24
    assert about["gan"]["settings"]["stage"] == 2


def test_measured_rows_know_which_generator_they_are_of(exported):
    codecs = [load(exported / f"{n}.safetensors") for n in ("both", "one", "two")]
    both = codecs[0].weights
    codecs += [Codec(replace(both, realism=r)) for r in (0.0, 0.5)]
    codecs += [Codec(replace(both, realism=0.0, gan=mix(both.generator, both.gan, 0.5)))]
    assert len({bench.model_of(codec) for codec in codecs}) == len(codecs)


def test_a_jointly_trained_run_has_other_files(runs, second, tmp_path):
    joint = copy.deepcopy(second)
    with torch.no_grad():
        joint.encoder.head.weight += 0.01
    tensors, meta = checkpoint.read(runs / "second" / "checkpoint.safetensors")
    tensors |= checkpoint.gather("average", joint)
    checkpoint.write(tmp_path / "joint.safetensors", tensors, meta)
    target = tmp_path / "both.safetensors"
    with pytest.raises(WeightsError, match="export it by itself"):
        export(runs / "first", target, gan=tmp_path / "joint.safetensors")
    assert not target.exists()


@pytest.mark.parametrize("same", ["run", "to float16"])
def test_a_run_that_changed_nothing_is_no_second_generator(runs, tiny_model, tmp_path, same):
    """The file would be one that cannot have a realism."""
    gan = runs / "first"
    if same == "to float16":  # the first steps of a stage 2
        young = copy.deepcopy(tiny_model)
        with torch.no_grad():
            young.generator.tail.bias += 1e-12
        tensors, meta = checkpoint.read(runs / "second" / "checkpoint.safetensors")
        gan = tmp_path / "young.safetensors"
        checkpoint.write(gan, tensors | checkpoint.gather("average", young), meta)
    with pytest.raises(WeightsError, match="give a run of stage 2"):
        export(runs / "first", tmp_path / "both.safetensors", gan=gan)
    assert not (tmp_path / "both.safetensors").exists()


def test_a_default_needs_something_to_turn_to(runs, tmp_path):
    with pytest.raises(HfxError, match="--gan"):
        export(runs / "first", tmp_path / "w.safetensors", realism=0.5)
    made = export(runs / "first", tmp_path / "w.safetensors", gan=runs / "second")
    assert made.realism == 1


def test_compact_weights_with_both_generators_stay_small(tmp_path):
    model = Compressor(COMPACT)
    second = copy.deepcopy(model.generator)
    with torch.no_grad():
        for p in second.parameters():
            p += 0.01
    weights.save(replace(freeze(model, {}), gan=second), tmp_path / "w.safetensors")
    tensors, _ = checkpoint.read(tmp_path / "w.safetensors")
    stored = sum(k.startswith("gan.") for k in tensors)
    assert stored == len(second.state_dict())  # nothing was shared
    assert (tmp_path / "w.safetensors").stat().st_size < 36e6


def test_calibration_moves_both_generators(runs, tmp_path, monkeypatch):
    monkeypatch.setattr("hfx.export.calibrate", lambda model, pictures, targets: [0.5, 1.0, 1.5])
    monkeypatch.setattr("hfx.export.load_pictures", lambda *a, **k: [])
    made = export(runs / "first", tmp_path / "w.safetensors", [tmp_path], gan=runs / "second")
    gains = [g.stages[-1][0].log_gain for g in (made.generator, made.gan)]
    assert torch.equal(*gains)


def test_weights_without_a_second_generator_say_so(tiny_codec, photo):
    data = tiny_codec.compress(photo)
    assert np.array_equal(pixels(tiny_codec, data, realism=0), pixels(tiny_codec, data))
    with pytest.raises(HfxError, match="no second generator"):
        tiny_codec.decompress(data, realism=0.5)


@pytest.mark.parametrize("realism", [-0.1, 1.01, float("nan"), float("inf")])
def test_the_dial_ends_at_0_and_1(exported, realism):
    codec = load(exported / "both.safetensors")
    with pytest.raises(HfxError, match="from 0 to 1"):
        codec.decompress(b"", realism=realism)
    with pytest.raises(HfxError, match="from 0 to 1"):
        export(exported / "first", exported / "x", gan=exported / "second", realism=realism)


@pytest.mark.parametrize("realism", [0.5, -1, float("nan"), "much"])
def test_damaged_defaults_are_refused(tiny_file, tmp_path, realism):
    tensors, meta = checkpoint.read(tiny_file)
    path = tmp_path / "w.safetensors"
    checkpoint.write(path, tensors, meta | {"realism": realism})
    with pytest.raises(WeightsError, match="damaged"):
        weights.load(path)


def test_exports_from_before_the_dial_load(tiny_file, tmp_path):
    tensors, meta = checkpoint.read(tiny_file)
    del meta["realism"]
    path = tmp_path / "old.safetensors"
    checkpoint.write(path, tensors, meta)
    assert weights.load(path).realism == 0


def test_mixing_is_linear_and_changes_neither(tiny_model, second):
    first, other = tiny_model.generator, second.generator
    before = copy.deepcopy(first.state_dict())
    made = mix(first, other, 0.25)
    expected = 0.75 * first.tail.weight + 0.25 * other.tail.weight
    torch.testing.assert_close(made.tail.weight, expected)
    assert all(torch.equal(v, before[k]) for k, v in first.state_dict().items())


def test_mixed_generators_are_kept_but_not_many(tiny_model, second):
    dial = Dial(tiny_model.generator, second.generator, 0.5)
    assert dial.at(0.5) is dial.at() and dial.at(0) is dial.first and dial.at(1) is dial.second
    for r in np.linspace(0.1, 0.9, 3 * KEPT):
        dial.at(float(r))
    assert len(dial.mixed) == KEPT


def test_visitors_may_turn_it_at_once(tiny_model, second):
    dial = Dial(tiny_model.generator, second.generator)
    turns = [r / 16 for r in range(17)] * 4
    with ThreadPoolExecutor(8) as pool:
        for r, made in zip(turns, pool.map(dial.at, turns), strict=True):
            w, v = tiny_model.generator.tail.weight, second.generator.tail.weight
            torch.testing.assert_close(made.tail.weight, w + r * (v - w))


def test_command_line(exported, photo, tmp_path):
    both = exported / "both.safetensors"
    codec = load(both)
    (tmp_path / "photo.hfx").write_bytes(codec.compress(photo))
    line = ["decompress", str(tmp_path / "photo.hfx"), "--weights", str(both)]
    for number, extra in enumerate(([], ["--realism", "0"])):
        target = tmp_path / f"{number}.png"
        assert CliRunner().invoke(app, [*line, "-o", str(target), *extra]).exit_code == 0
    assert (tmp_path / "0.png").read_bytes() != (tmp_path / "1.png").read_bytes()
    refused = CliRunner().invoke(app, [*line, "-o", str(tmp_path / "2.png"), "--realism", "2"])
    assert refused.exit_code == 2 and not (tmp_path / "2.png").exists()
    made = tmp_path / "w.safetensors"
    given = ["export", str(exported / "first"), "--gan", str(exported / "second")]
    result = CliRunner().invoke(app, [*given, "--realism", "0.5", "-o", str(made)])
    assert result.exit_code == 0 and weights.load(made).realism == 0.5


def test_a_codec_of_two_generators_needs_no_file(tiny_codec, second, photo):
    both = Codec(replace(tiny_codec.weights, gan=second.generator, realism=1.0))
    data = both.compress(photo)
    assert not np.array_equal(pixels(both, data), pixels(tiny_codec, data))


def test_the_dial_is_measured_on_a_set_of_pictures(exported, monkeypatch):
    if not find_backbone("inception_trunk"):
        pytest.skip(f"HFX_WEIGHTS names no folder with {BACKBONES['inception_trunk'].file}")
    monkeypatch.setattr(experiment, "_gone", {"lpips", "lpips_squeeze", "dists"})  # slow
    pictures = {"a": synthetic.picture(1, 256, 512), "b": synthetic.picture(2, 512, 256)}
    codec = load(exported / "both.safetensors")
    rows, sums = experiment.measure(codec, Inception(), "held-out", pictures)
    keys = {(r.codec, r.tier, r.realism) for r in rows}
    ours = {("hfx", tier, r) for tier in COMPACT.tiers for r in experiment.DIAL["held-out"]}
    assert ours < keys and {k for k, _, r in keys if r is None} <= set(experiment.OTHERS)
    assert len(rows) == 2 * len(keys) == 2 * len(sums)
    for row in rows:
        file = next(r for r in rows if (r.image, r.tier, r.realism) == (row.image, row.tier, 0))
        assert row.bytes == file.bytes if row.codec == "hfx" else row.bytes <= file.bytes
    ends = [next(s for s in sums if (s.tier, s.realism) == ("medium", r)) for r in (0, 0.5, 1)]
    own = [r.psnr for r in rows if (r.tier, r.realism) == ("medium", 0)]
    assert ends[0].psnr == pytest.approx(np.mean(own)) and ends[0].pictures == 2
    assert len({s.psnr for s in ends}) == len({s.fid768 for s in ends}) == 3
