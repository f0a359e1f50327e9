"""torchvision imports, whether or not its operators are compiled for this torch."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


@pytest.mark.slow
def test_torchvision_imports_after_it():
    code = "from hfx import torchvision_shim as s; s.ensure(); s.ensure()"
    done = run(f"{code}; import torchvision, torchmetrics.functional.image, lpips")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_missing_torchvision_is_no_error():
    code = "import sys; sys.modules['torchvision'] = None; from hfx import torchvision_shim as s"
    done = run(f"{code}; assert s.ensure() is None")
    assert done.returncode == 0, done.stderr
