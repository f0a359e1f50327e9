import os
import signal
import threading

import pytest
import torch

from hfx import processes


def test_alone_there_is_one_process(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    device, rank, world = processes.join(torch.device("cpu"))
    assert (device.type, rank, world) == ("cpu", 0, 1)
    x = torch.tensor([1.0, 2.0])
    assert torch.equal(processes.total(x), x)
    assert processes.any_of_us(True, device) and not processes.any_of_us(False, device)
    with pytest.raises(SystemExit, match="3"):
        processes.end(3)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_becomes_a_wish(number):
    before = signal.getsignal(number)
    with processes.Interruption() as interruption:
        assert not interruption.wanted
        os.kill(os.getpid(), number)
        assert interruption.wanted
        assert signal.getsignal(number) == before  # a second one is obeyed at once
    assert signal.getsignal(number) == before


def test_without_a_signal_everything_is_as_it_was():
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(RuntimeError), processes.Interruption():
        raise RuntimeError
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def test_in_another_thread_nothing_is_taken_over():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work():
        with processes.Interruption():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
