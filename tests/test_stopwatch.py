"""What work costs: the seconds it took, the memory it needed beyond what was there."""

import time

import numpy as np
import pytest

from hfx import stopwatch
from hfx.stopwatch import spent


def test_seconds():
    measured = spent(lambda: time.sleep(0.05) or 7)
    assert measured.result == 7 and 0.05 <= measured.seconds < 1


@pytest.mark.skipif(not stopwatch.RESET.exists(), reason="peak memory is read from /proc/self")
def test_memory():
    def work():
        return float(np.ones(12_500_000).sum())  # 100 MB, gone at the end

    for _ in range(2):  # the second time, too
        measured = spent(work)
        assert measured.result == 12.5e6
        assert measured.memory_mb == pytest.approx(100, abs=15)
    assert spent(lambda: 1).memory_mb < 15


def test_elsewhere_it_is_unknown(monkeypatch, tmp_path):
    monkeypatch.setattr(stopwatch, "RESET", tmp_path / "no" / "such")
    assert spent(lambda: 1).memory_mb is None
