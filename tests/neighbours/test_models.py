"""Which neighbour models there are: found beside the weights, loaded once, asked for by name."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from hfx import codec as codec_module
from hfx.errors import HfxError, WeightsError
from hfx.neighbours import coding, store
from hfx.neighbours.models import Models


@pytest.fixture
def there(fitted_file, tmp_path):
    """Weights with a tree model beside them, to be spoilt."""
    for path in fitted_file.parent.iterdir():
        shutil.copy(path, tmp_path)
    return tmp_path / fitted_file.name


@pytest.fixture
def models(there, tiny_codec):
    return models_of(there, tiny_codec)


def models_of(path, codec, fingerprint=None):
    weights = codec.weights
    return Models(path, fingerprint or weights.fingerprint, weights.prior.tables_y)


@pytest.fixture
def loads(monkeypatch):
    """Counts what is loaded."""
    calls, load = [], store.load
    monkeypatch.setattr(store, "load", lambda *a: calls.append(a[1]) or load(*a))
    return calls


def test_what_lies_beside_the_weights_is_there(models, loads):
    assert models.kinds() == ["none", "xgb"] and models.preferred == "xgb"
    assert loads == []  # looking is not loading


def test_without_models_there_is_none(tiny_file, tiny_codec):
    for path in (tiny_file, None):
        models = models_of(path, tiny_codec)
        assert models.kinds() == ["none"] and models.preferred == "none"
        assert models.choose(None) == models.choose("none") == "none"


def test_names_follow_the_weights(there, tiny_codec):
    for name, kinds in (
        ("tiny.knn.safetensors", ["none", "knn", "xgb"]),
        ("other.knn.safetensors", ["none", "xgb"]),
    ):
        path = there.with_name(name)
        path.write_bytes(b"")
        assert models_of(there, tiny_codec).kinds() == kinds
        path.unlink()


def test_models_are_loaded_once(models, loads, tiny_trees):
    assert models.choose(None) == models.choose("xgb") == "xgb"
    how, model, fingerprint = models.get("xgb")
    assert how is coding and models.get("xgb")[1] is model
    assert model.trees == tiny_trees.trees and len(fingerprint) == 4
    assert loads == ["xgb"]


def test_choosing_none_loads_nothing(models, loads):
    assert models.choose("none") == "none" and loads == []
    models.preferred = "none"
    assert models.choose(None) == "none" and loads == []


@pytest.mark.parametrize("kind", ["svm", "XGB", " ", "../xgb"])
def test_unknown_kinds(models, kind):
    with pytest.raises(HfxError, match=f"no neighbour model '{kind}'; use one of none, knn, xgb"):
        models.choose(kind)


def test_a_missing_model_says_what_makes_one(models):
    for ask in (models.choose, models.get):
        with pytest.raises(WeightsError, match="no knn .*`hfx fit-neighbours --kind knn`"):
            ask("knn")


def test_errors_come_when_a_model_is_chosen(there, tiny_codec):
    beside = there.with_name("tiny.xgb.safetensors")
    with pytest.raises(WeightsError, match="other weights"):
        models_of(there, tiny_codec, b"another!").choose(None)
    beside.write_bytes(beside.read_bytes()[:-5])
    for kind in (None, "xgb"):
        with pytest.raises(WeightsError, match="tiny.xgb.safetensors is not a readable"):
            models_of(there, tiny_codec).choose(kind)
    assert models_of(there, tiny_codec).choose("none") == "none"


def test_a_model_may_be_given(tiny_codec, tiny_trees):
    models = models_of(None, tiny_codec)
    models.loaded["xgb"] = (tiny_trees, b"test")
    assert models.kinds() == ["none", "xgb"] and models.choose("xgb") == "xgb"
    assert models.get("xgb") == (coding, tiny_trees, b"test")


# --- in a codec


def test_a_codec_prefers_trees_where_there_are_any(fitted_file, tiny_file):
    assert codec_module.load(fitted_file).models.preferred == "xgb"
    assert codec_module.load(fitted_file, "none").models.preferred == "none"
    assert codec_module.load(tiny_file).models.preferred == "none"
    with pytest.raises(WeightsError, match="hfx fit-neighbours --kind xgb"):
        codec_module.load(tiny_file, "xgb")
    with pytest.raises(HfxError, match="no neighbour model 'svm'"):
        codec_module.load(tiny_file, "svm")


def test_none_needs_neither_xgboost_nor_sklearn(tiny_file, photo, tmp_path):
    """A codec without models runs where neither is installed."""
    path = tmp_path / "photo.npy"
    np.save(path, photo)
    code = f"""if True:
        import sys
        sys.modules.update(dict.fromkeys(("xgboost", "sklearn")))
        import numpy as np
        from hfx.codec import load
        codec = load({str(tiny_file)!r})
        codec.decompress(codec.compress(np.load({str(path)!r})))
    """
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_a_damaged_model_hurts_only_those_who_need_it(tiny_file, photo, tmp_path):
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(tiny_file.read_bytes())
    data = codec_module.load(weights).compress(photo)
    (tmp_path / "w.xgb.safetensors").write_bytes(b"damaged")
    codec = codec_module.load(weights)
    codec.decompress(data)
    with pytest.raises(WeightsError, match="w.xgb.safetensors"):
        codec.compress(photo)
    assert codec.decompress(codec.compress(photo, neighbours="none")).size == (128, 96)
