"""Whatever the bytes, `decompress` refuses them or gives the picture that they mean."""

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.fuzz import __main__ as command
from experiments.fuzz.child import Limits, Seen, run
from experiments.fuzz.judge import FINE, Judge, slug
from experiments.fuzz.mutants import KINDS, corpus, mutant
from hfx import bitstream
from hfx.codec import load
from hfx.errors import BitstreamError

WEIGHTS = Path(__file__).parent / "golden" / "tiny.safetensors"
FOUND = sorted((Path(__file__).parent / "fuzz").glob("*.hfx"))


@pytest.fixture(scope="module")
def codec():
    return load(WEIGHTS)


@pytest.fixture(scope="module")
def files(codec):
    return corpus(codec)


@pytest.fixture(scope="module")
def judge(codec, files):
    return Judge(codec, files)


def test_the_corpus_has_everything_that_a_file_may_hold(files):
    streams = [bitstream.read(data) for data in files]
    assert {s.header.neighbours for s in streams} == {"none", "knn", "xgb"}
    assert {(s.header.grey, s.alpha is None) for s in streams} == {
        (grey, opaque) for grey in (False, True) for opaque in (False, True)
    }
    assert any(s.escapes_y for s in streams)


def test_valid_files_are_right(judge, files):
    assert {judge.verdict(data) for data in files} == {("right picture", "")}


def test_mutants_are_fine(judge, files):
    """Some of each kind; `python -m experiments.fuzz` does a hundred thousand."""
    outcomes = dict.fromkeys(FINE, 0)
    for number in range(20 * len(KINDS)):
        kind, data = mutant(files, number)
        begun = time.process_time()
        outcome, cause = judge.verdict(data)
        assert outcome in FINE, (number, kind, cause)
        assert "\n" not in cause
        assert time.process_time() - begun < 5, (number, kind)
        outcomes[outcome] += 1
    assert min(outcomes.values()) > 0  # they are neither all refused nor all as they were


def test_mutants_come_back_and_differ(files):
    kinds = {mutant(files, number)[0] for number in range(len(KINDS))}
    assert kinds == set(KINDS)
    for number in range(2 * len(KINDS)):
        assert mutant(files, number) == mutant(files, number)
    changed = sum(mutant(files, number)[1] not in files for number in range(90))
    assert changed > 80
    assert mutant(files, 0, seed=1) != mutant(files, 0)


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_found_before(codec, path):
    """One file for each cause of refusal that the search met, refused for that cause still."""
    with pytest.raises(BitstreamError) as caught:
        codec.decompress(path.read_bytes())
    assert slug(str(caught.value)) == path.stem


def test_cases_were_kept():
    assert len(FOUND) > 15
    assert sum(path.stat().st_size for path in FOUND) < 40_000


# --- faults are seen


class Wrong:
    """A codec whose decoder is broken in some way."""

    def __init__(self, codec, broken):
        self.codec, self.broken = codec, broken

    def decompress(self, data):
        return self.broken(self.codec.decompress(data))


def shifted(picture):
    return Image.fromarray(np.asarray(picture) ^ 1)


def turned(picture):
    return picture.transpose(Image.Transpose.ROTATE_90)


def missing(picture):
    raise KeyError("surprise")


def endless(picture):
    raise MemoryError


def faded(picture):
    picture.putalpha(7)
    return picture


@pytest.mark.parametrize(
    ("broken", "outcome"),
    [
        (shifted, "wrong picture"),
        (turned, "wrong size or mode"),
        (missing, "KeyError"),
        (endless, "out of memory"),
        (faded, "wrong transparency"),
    ],
)
def test_a_broken_decoder_is_found_out(codec, files, judge, monkeypatch, broken, outcome):
    monkeypatch.setattr(judge, "codec", Wrong(codec, broken))
    for data in files:
        stream = bitstream.read(data)
        wide = stream.header.width > stream.header.height  # so that a turn changes the size
        if wide and (stream.alpha is not None) == (broken is faded):
            assert judge.verdict(data)[0] == outcome


def test_limits_are_kept():
    """A millisecond is too short for a picture: the child ends, and the mutant is named."""
    outcomes = run(WEIGHTS, range(1000), 0, Limits(seconds=0.001, megabytes=1024))
    fault = next(seen for seen in outcomes if seen.outcome not in FINE)
    outcomes.close()
    assert fault.outcome == "hang" and f"--first {fault.number} --n 1" in fault.cause


def test_the_command_counts_keeps_and_fails(monkeypatch, tmp_path, capsys):
    found = [
        Seen(0, "bits", "refused", "damaged .hfx file: 3 trailing bytes; no", 0.001, b"one"),
        Seen(1, "bits", "refused", "damaged .hfx file: 4 trailing bytes; no", 0.002, b"two"),
        Seen(2, "cut", "KeyError", "surprise", 0.5, b"three"),
    ]
    monkeypatch.setattr(command, "run", lambda *_: iter(found))
    out = tmp_path / "new" / "fuzz.csv"
    assert command.main(["--n", "3", "--out", str(out), "--keep", str(tmp_path / "kept")]) == 1
    assert out.read_text().splitlines() == [
        "kind,outcome,files,slowest_ms", "bits,refused,2,2", "cut,KeyError,1,500"
    ]  # fmt: skip
    kept = {path.name: path.read_bytes() for path in (tmp_path / "kept").iterdir()}
    assert kept == {"damaged-hfx-file-trailing-bytes.hfx": b"one", "surprise.hfx": b"three"}
    assert "2: cut: KeyError: surprise" in capsys.readouterr().out
    monkeypatch.setattr(command, "run", lambda *_: iter(found[:2]))
    assert command.main(["--n", "2"]) == 0
