"""Models as files: whole, ours, of the kind asked for and for these weights, or refused."""

import json
import struct

import numpy as np
import pytest
import torch
from fields import PLAN, fit, held, tables
from safetensors.torch import save_file

from hfx import checkpoint
from hfx.entropy.pmf import Tables
from hfx.errors import WeightsError
from hfx.neighbours import store
from hfx.neighbours.chain import DECISIONS
from hfx.neighbours.fit import Knobs
from hfx.neighbours.window import names

WEIGHTS = b"\1\2\3\4\5\6\7\x08"


@pytest.fixture(scope="module")
def small():
    """A model of a few kilobytes."""
    return fit(Knobs(rounds=1, depth=2))[0]


@pytest.fixture
def path(small, tmp_path):
    store.save(small, tmp_path / "a.xgb.safetensors", WEIGHTS, {"pictures": 4})
    return tmp_path / "a.xgb.safetensors"


def load(path, kind="xgb", weights=WEIGHTS):
    return store.load(path, kind, weights, tables())


def refused(path, cause, **options):
    with pytest.raises(WeightsError, match=cause) as caught:
        load(path, **options)
    assert str(path) in str(caught.value)


def resealed(path, **change):
    """The same file with other words in its header."""
    tensors, meta = checkpoint.read(path)
    checkpoint.write(path, tensors, meta | change)


def same(one, two):
    assert one.plan == two.plan and one.columns == two.columns and one.kind == two.kind
    rows = held().rows[:500]
    base = np.arange(500) * 9 - 2000
    for decision in range(len(DECISIONS)):
        np.testing.assert_array_equal(
            one.margins(decision, rows, base), two.margins(decision, rows, base)
        )
    for name in ("base", "sigmoid", "sure"):
        np.testing.assert_array_equal(getattr(one.chain, name), getattr(two.chain, name))


# --- what is kept


@pytest.mark.parametrize("without", [(), ("mean", "row", "cell +1 +1")])
def test_round_trip(tmp_path, without):
    model, _ = fit(Knobs(rounds=2, depth=3), without=without)
    assert (model.columns is None) == (not without)
    path = tmp_path / "x.safetensors"
    store.save(model, path, WEIGHTS, {"pictures": 4})
    again, print_ = load(path)
    same(model, again)
    assert len(print_) == 4 and load(path)[1] == print_
    meta = checkpoint.read_meta(path)
    assert meta["about"] == {"pictures": 4} and meta["weights"] == WEIGHTS.hex()
    assert meta["fingerprint"] == print_.hex()


def test_zero_trees_round_trip(tmp_path):
    model, _ = fit(Knobs(rounds=0))
    store.save(model, tmp_path / "x.safetensors", WEIGHTS, {})
    assert load(tmp_path / "x.safetensors")[0].silent


def test_whatever_decides_a_probability_changes_the_fingerprint(small):
    tensors = store.tensors_of(small)
    head = {"kind": "xgb", "plan": PLAN.to_dict(), "columns": None}
    seen = {store.fingerprint(head, tensors)}
    for change in (
        {"kind": "knn"},
        {"columns": list(range(len(names(PLAN))))},
        *({"plan": PLAN.to_dict() | {k: v}} for k, v in
          {"window": 5, "pattern": "at once", "first": 3, "growth": 150, "widest": 9}.items()),
    ):  # fmt: skip
        seen.add(store.fingerprint(head | change, tensors))
    for name, tensor in tensors.items():
        other = tensor.clone().contiguous()
        other.view(-1)[-1] ^= 1
        seen.add(store.fingerprint(head, tensors | {name: other}))
    assert len(seen) == 8 + len(tensors)
    assert store.fingerprint(dict(reversed(head.items())), dict(reversed(tensors.items()))) in seen


def test_the_fingerprint_does_not_depend_on_weights_or_words(small, tmp_path):
    prints = set()
    for weights, about in ((WEIGHTS, {}), (bytes(8), {"pictures": 1})):
        store.save(small, tmp_path / "x.safetensors", weights, about)
        prints.add(load(tmp_path / "x.safetensors", weights=weights)[1])
    assert len(prints) == 1


# --- what is refused


def test_missing(tmp_path):
    refused(tmp_path / "none.safetensors", "does not exist")


def test_damage_is_noticed_before_xgboost_sees_it(path, monkeypatch):
    """Xgboost may crash, or never come back, on trees that are damaged."""
    monkeypatch.setattr(store.Boosted, "from_arrays", lambda *_: pytest.fail("it was asked"))
    data = path.read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    places = np.random.default_rng(0).integers(start, len(data), 60)
    for at in places.tolist():
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        refused(path, "damaged: it does not match")


def test_every_damaged_header_is_noticed(path, small):
    """Or harmless: it holds words about the model, too."""
    data, harmless = path.read_bytes(), 0
    start = 8 + struct.unpack("<Q", data[:8])[0]
    for at in range(0, start, 5):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 7
        path.write_bytes(damaged)
        try:
            again, print_ = load(path)
        except WeightsError as error:
            assert str(path) in str(error)
        else:
            harmless += 1
            assert print_.hex() == checkpoint.read_meta(path)["fingerprint"]
            assert again.trees == small.trees and again.plan == small.plan
    assert harmless < start // 20


def test_truncated(path):
    data = path.read_bytes()
    for size in (0, 7, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        refused(path, "not a readable safetensors file")


def test_another_kind(path):
    refused(path, "no knn neighbour model of format 1; fit it again", kind="knn")


def test_other_weights(path):
    refused(
        path, f"fitted for other weights .{WEIGHTS.hex()}, these are {bytes(8).hex()}.*"
        "hfx fit-neighbours --kind xgb", weights=bytes(8),
    )  # fmt: skip


def test_another_format(path):
    resealed(path, format=store.FORMAT + 1)
    refused(path, f"no xgb neighbour model of format {store.FORMAT}")


@pytest.mark.parametrize(
    "change",
    [
        {"plan": PLAN.to_dict() | {"window": 5}}, {"plan": {"spiral": 1}}, {"plan": None},
        {"columns": [1, 2]}, {"columns": "all"},
        {"fingerprint": "00000000"}, {"fingerprint": None},
    ],
    ids=str,
)  # fmt: skip
def test_other_words_in_the_header(path, change):
    resealed(path, **change)
    refused(path, "incomplete or damaged")


@pytest.mark.parametrize("key", ["plan", "columns", "fingerprint", "kind", "weights", "format"])
def test_missing_words_in_the_header(path, key):
    tensors, meta = checkpoint.read(path)
    del meta[key]
    checkpoint.write(path, tensors, meta)
    refused(path, None)


@pytest.mark.parametrize(
    ("head", "cause"),
    [
        ({"columns": [0, 1]}, "features"),
        ({"plan": PLAN.to_dict() | {"window": 4}}, "odd side"),
        ({"plan": {"spiral": 1}}, "spiral"),
        ({"columns": ["x"]}, "damaged"),
    ],
)
def test_well_sealed_lies(path, head, cause):
    """Whoever can make a fingerprint can still not make nonsense pass."""
    tensors, meta = checkpoint.read(path)
    told = {key: meta[key] for key in ("kind", "plan", "columns")} | head
    seal = store.fingerprint(told, tensors).hex()
    checkpoint.write(path, tensors, meta | told | {"fingerprint": seal})
    refused(path, cause)


@pytest.mark.parametrize("name", ["chain.base", "chain.sigmoid", "trees.0"])
def test_missing_tensors(path, name):
    tensors, meta = checkpoint.read(path)
    del tensors[name]
    told = {key: meta[key] for key in ("kind", "plan", "columns")}
    meta["fingerprint"] = store.fingerprint(told, tensors).hex()
    checkpoint.write(path, tensors, meta)
    refused(path, "incomplete or damaged")


def test_tables_of_another_length(path):
    few = Tables(np.full((1, 2), 1 << 23, np.int32), np.zeros(1, np.int32))
    with pytest.raises(WeightsError, match="base margin"):
        store.load(path, "xgb", WEIGHTS, few)


def test_not_ours(path, tiny_file, tmp_path):
    other = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(3)}, other)
    refused(other, "not written by hfx")
    save_file({"a": torch.zeros(3)}, other, metadata={"hfx": json.dumps([1])})
    refused(other, "no xgb neighbour model")
    refused(tiny_file, "no xgb neighbour model")
    other.write_bytes(b"\x89PNG and so on")
    refused(other, "not a readable")


def test_huge_files_are_not_read(path, monkeypatch):
    monkeypatch.setattr(store, "LIMIT", 100)
    refused(path, "larger than any")
