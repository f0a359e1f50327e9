import pytest

from hfx.errors import HfxError
from hfx.lab import photographs
from hfx.lab.settings import CROPS


def test_they_are_there_and_large_enough():
    pytest.importorskip("skimage", reason="the photographs come with scikit-image")
    pictures = photographs.train()
    assert len(pictures) == len(photographs.TRAIN)
    assert all(min(p.shape[:2]) >= CROPS[-1] and p.shape[2] == 3 for p in pictures)
    assert photographs.HELD not in photographs.TRAIN
    assert photographs.face().shape == (192, 192, 3)


def test_what_is_missing_is_said(monkeypatch):
    with pytest.raises(HfxError, match="scikit-image anew|pip install"):
        photographs.photograph("nothing.png")
    monkeypatch.setattr(photographs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(HfxError, match="pip install scikit-image"):
        photographs.face()
