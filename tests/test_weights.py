"""Exported weights: what is saved is loaded, and what is damaged is refused by name."""

import pickle

import numpy as np
import pytest
import torch

from hfx import checkpoint, weights
from hfx.errors import WeightsError


@pytest.fixture
def parts(tiny_file):
    """Tensors and header of good weights, to be spoilt."""
    return checkpoint.read(tiny_file)


def test_what_is_saved_is_loaded(tiny_codec, tiny_file):
    saved, loaded = tiny_codec.weights, weights.load(tiny_file)
    assert loaded.arch == saved.arch
    assert loaded.about == saved.about
    assert loaded.fingerprint == saved.fingerprint == loaded.prior.fingerprint()
    assert torch.equal(loaded.log2_degain, saved.log2_degain)
    for name in ("encoder", "generator", "hyper_analysis"):
        before, after = getattr(saved, name).state_dict(), getattr(loaded, name).state_dict()
        for key, value in before.items():
            assert after[key].dtype == torch.float32
            torch.testing.assert_close(after[key], value, rtol=2**-10, atol=1e-6)  # float16


def test_loaded_networks_are_ready_to_use(tiny_file):
    loaded = weights.load(tiny_file)
    for module in (loaded.encoder, loaded.generator, loaded.hyper_analysis):
        assert not module.training
        assert not any(p.requires_grad for p in module.parameters())


def test_saving_twice_gives_the_same_weights(tiny_file, tmp_path):
    again = tmp_path / "again.safetensors"
    weights.save(weights.load(tiny_file), again)
    (before, meta), (after, meta_again) = checkpoint.read(tiny_file), checkpoint.read(again)
    assert meta == meta_again and before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_missing(tmp_path):
    with pytest.raises(WeightsError, match="no weights at"):
        weights.load(tmp_path / "none.safetensors")
    with pytest.raises(WeightsError, match="no weights at"):
        weights.load(tmp_path)


def test_none_installed(monkeypatch):
    monkeypatch.delenv("HFX_MODEL", raising=False)
    monkeypatch.setattr(weights, "places", lambda: iter(()))
    with pytest.raises(WeightsError, match="no weights are installed"):
        weights.load()


def test_variable_names_the_default(monkeypatch, tiny_file, tmp_path):
    monkeypatch.setenv("HFX_MODEL", str(tiny_file))
    assert weights.find() == tiny_file
    monkeypatch.setenv("HFX_MODEL", str(tmp_path / "gone"))
    with pytest.raises(WeightsError, match="gone"):
        weights.find()
    assert weights.find(tiny_file) == tiny_file  # what is given goes first


@pytest.mark.parametrize("cut", [0, 7, 1000, -1])
def test_truncated(tiny_file, tmp_path, cut):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(tiny_file.read_bytes()[:cut])
    with pytest.raises(WeightsError, match="cut.safetensors"):
        weights.load(path)


def test_too_large(monkeypatch, tiny_file):
    monkeypatch.setattr(weights, "LIMIT", 1000)
    with pytest.raises(WeightsError, match="larger"):
        weights.load(tiny_file)


def test_pickles_are_never_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    for name, data in (("a.pt", None), ("b.safetensors", pickle.dumps(Trap()))):
        path = tmp_path / name
        if data is None:
            torch.save({"x": Trap()}, path)
        else:
            path.write_bytes(data)
        with pytest.raises(WeightsError):
            weights.load(path)
    assert not (tmp_path / "sprung").exists()


def test_a_checkpoint_of_training_is_not_an_export(tmp_path):
    path = tmp_path / "run.safetensors"
    checkpoint.write(path, {"model.a": torch.zeros(1)}, {"step": 3})
    with pytest.raises(WeightsError, match="hfx export"):
        weights.load(path)


@pytest.mark.parametrize("meta", [[], "x", 3, None, {"format": 99}, {"format": 1}])
def test_strange_headers(parts, tmp_path, meta):
    path = tmp_path / "w.safetensors"
    checkpoint.write(path, parts[0], meta)
    with pytest.raises(WeightsError):
        weights.load(path)


@pytest.mark.parametrize(
    "name",
    [
        "log2_degain", "encoder.head.weight", "generator.stages.2.0.log_gain",
        "hyper_analysis.stack.0.bias",
        "prior.log2_gain", "prior.mean.0.spec", "prior.scale.4.weight", "prior.tables_y.half",
    ],
)  # fmt: skip
def test_a_missing_part(parts, tmp_path, name):
    tensors, meta = parts
    path = tmp_path / "w.safetensors"
    if name not in tensors:  # layers are numbered without their activations
        name = "prior.scale.2.weight"
    checkpoint.write(path, {k: v for k, v in tensors.items() if k != name}, meta)
    with pytest.raises(WeightsError):
        weights.load(path)


@pytest.mark.parametrize(
    "name", ["log2_degain", "encoder.head.weight", "prior.z_index", "prior.log2_gain_z"]
)
def test_a_part_of_another_size(parts, tmp_path, name):
    tensors, meta = parts
    path = tmp_path / "w.safetensors"
    checkpoint.write(path, tensors | {name: tensors[name][:-1].clone()}, meta)
    with pytest.raises(WeightsError):
        weights.load(path)


@pytest.mark.parametrize("name", ["prior.log2_gain", "prior.z_index", "prior.mean.0.bias"])
def test_one_changed_integer(parts, tmp_path, name):
    tensors, meta = parts
    changed = tensors[name].clone()
    changed.view(-1)[-1] += 1
    path = tmp_path / "w.safetensors"
    checkpoint.write(path, tensors | {name: changed}, meta)
    with pytest.raises(WeightsError, match="fingerprint"):
        weights.load(path)


def test_tables_are_those_of_the_scale_table(tiny_codec):
    prior = tiny_codec.weights.prior
    for tables, law in (
        (prior.tables_y, weights.gaussian_tables()),
        (prior.tables_z, weights.logistic_tables()),
    ):
        np.testing.assert_array_equal(tables.frequencies, law.frequencies)
