"""What every test shares: seeds and pictures."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def seed():
    """The same numbers in every run, whatever ran before."""
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def kodak():
    """The paths of the Kodak photographs, sorted; they are not in git."""
    root = os.environ.get("HFX_DATA")
    if not root:
        pytest.skip("HFX_DATA is not set: it names the folder that holds kodak/")
    paths = sorted(Path(root, "kodak").glob("*.png"))
    if not paths:
        pytest.skip(f"no PNG in {root}/kodak: the Kodak photographs are not on this machine")
    return paths


@pytest.fixture(scope="session")
def photo():
    """A face, cut from a public-domain photograph: (96, 128, 3) uint8, read-only."""
    data = pytest.importorskip("skimage.data", reason="its photographs come with scikit-image")
    rgb = np.ascontiguousarray(data.astronaut()[48:144, 160:288])
    rgb.flags.writeable = False
    return rgb
