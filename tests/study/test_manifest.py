"""A study's manifest: written and read back, found by its code, refused when damaged."""

import json
import os

import pytest
from studies import made

from hfx.errors import HfxError
from hfx.study import manifest


def test_it_is_read_as_it_was_written(tmp_path):
    study = made(tmp_path / "one")
    assert manifest.read(study.folder) == study
    assert study.photographs[0].shown.keys() == {"hfx", "JPEG", "AVIF"}


def test_pictures_by_codec(tmp_path):
    study = made(tmp_path / "one")
    names = {study.png(0, codec) for codec in ("original", "catch", *study.codecs)}
    assert len(names) == 5
    (study.folder / study.photographs[0].catch).unlink()
    with pytest.raises(HfxError, match=f"study {study.code} lacks its picture"):
        study.png(0, "catch")


def test_the_question_depends_on_the_reference(tmp_path):
    assert made(tmp_path / "a").question == "Which looks more like a real photograph?"
    assert made(tmp_path / "b", reference=True).question == "Which is closer to the original?"


def test_codes_are_typed_anyhow(tmp_path):
    one, two = made(tmp_path / "one", code="ABC234"), made(tmp_path / "two", code="XYZ987")
    assert manifest.find(tmp_path, "abc 234 ") == one
    assert manifest.find(tmp_path, "XYZ987") == two
    for wrong in ("", "ABC23", "../one"):
        with pytest.raises(HfxError, match="no study has this code"):
            manifest.find(tmp_path, wrong)


def test_new_codes_differ_and_use_plain_letters():
    codes = {manifest.new_code() for _ in range(50)}
    assert len(codes) == 50
    assert set("".join(codes)) <= set(manifest.LETTERS)
    assert not set("01IO") & set(manifest.LETTERS)


def test_the_newest_comes_first_and_damaged_ones_are_passed_over(tmp_path):
    for age, name in enumerate(("new", "old", "oldest")):
        study = made(tmp_path / name)
        os.utime(study.folder / manifest.FILE, (1e9 - age, 1e9 - age))
    (tmp_path / "old" / manifest.FILE).write_text("{")
    assert [s.folder.name for s in manifest.studies(tmp_path)] == ["new", "oldest"]
    assert list(manifest.studies(tmp_path / "nowhere")) == []


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"codecs": None},
        {"more": 1},
        {"photographs": [{"name": "x"}]},
    ],
)
def test_another_manifest_is_refused(tmp_path, change):
    study = made(tmp_path / "one")
    path = study.folder / manifest.FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(HfxError, match="no manifest of a study"):
        manifest.read(study.folder)


def test_no_picture_outside_its_folder(tmp_path):
    study = made(tmp_path / "one")
    path = study.folder / manifest.FILE
    path.write_text(path.read_text().replace(study.photographs[0].catch, "../secret.png"))
    with pytest.raises(HfxError, match="outside its folder"):
        manifest.read(study.folder)


def test_a_folder_without_a_study(tmp_path):
    with pytest.raises(HfxError, match="hfx study prepare"):
        manifest.read(tmp_path)


def test_where_studies_lie(monkeypatch):
    monkeypatch.setenv("HFX_STUDIES", "/somewhere")
    assert manifest.studies_folder().as_posix() == "/somewhere"
    monkeypatch.delenv("HFX_STUDIES")
    assert manifest.studies_folder().as_posix() == "runs/studies"
