"""`make audit`: silence is no all-clear."""

import json

import pytest

from tools import vulnerabilities
from tools.vulnerabilities import CLEAR, PINS, UNCHECKED, VULNERABLE, answer_of, installed, pins_of

GOOD = {"name": "a", "version": "1.0", "vulns": []}
BAD = {"name": "b", "version": "2.0", "vulns": [{"id": "CVE-1", "fix_versions": ["2.1", "3.0"]}]}
SKIPPED = {"name": "c", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([GOOD], CLEAR),
        ([GOOD, BAD], VULNERABLE),
        ([GOOD, SKIPPED], UNCHECKED),
        ([BAD, SKIPPED], VULNERABLE),
        ([], UNCHECKED),
    ],
)
def test_codes(found, code, monkeypatch, capsys):
    written = json.dumps({"dependencies": found})
    assert answer_of(written, "").code == code
    monkeypatch.setattr(vulnerabilities, "asked", lambda path: (written, ""))
    assert vulnerabilities.main() == code
    told = capsys.readouterr()
    assert ("NOT CHECKED" in told.err) == (SKIPPED in found)
    assert ("b 2.0: CVE-1, mended in 2.1, 3.0" in told.out) == (BAD in found)
    assert ("pytest==" in told.out) == (code == UNCHECKED)


def test_no_network(monkeypatch, capsys):
    monkeypatch.setattr(
        vulnerabilities, "asked", lambda path: ("", "Traceback\nConnectionError: no route\n")
    )
    assert vulnerabilities.main() == UNCHECKED
    told = capsys.readouterr()
    assert "ConnectionError: no route" in told.err and "pins checked" not in told.out


def test_pins():
    assert pins_of("# x==1\na==1.0\nb.c-d==2rc1\n") == {"a": "1.0", "b.c-d": "2rc1"}
    every = pins_of(PINS.read_text())
    assert len(every) > 100 and {"torch", "xgboost-cpu", "streamlit"} <= every.keys()
    pins = {"pytest": "0.0", "no-such-package": "1"}
    assert len(installed(pins)) == 1 and installed(pins)[0].endswith("(pinned: 0.0)")
