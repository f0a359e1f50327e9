"""Known vulnerabilities in the versions that constraints.txt pins: `make audit`.

pip-audit asks PyPI about each pin. It calls an answer "nothing known" even where PyPI said nothing
at all, so what was not answered counts as not checked here, and is no all-clear: then what is
installed is listed beside the pins, to be looked up where there is a network.
"""

import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PINS = Path(__file__).parents[1] / "constraints.txt"
CLEAR, VULNERABLE, UNCHECKED = 0, 1, 2  # exit codes


@dataclass
class Answer:
    """What PyPI said.

    Attributes:
        checked: How many pins it knows.
        known: A line for every vulnerability.
        unchecked: By package, why nothing was said of it.
    """

    checked: int = 0
    known: list[str] = field(default_factory=list)
    unchecked: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> int:
        """The exit code."""
        if self.known:
            return VULNERABLE
        return UNCHECKED if self.unchecked or not self.checked else CLEAR


def asked(path: Path) -> tuple[str, str]:
    """Run pip-audit on a file of pins; return the JSON it wrote, and its complaints."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(path), "--no-deps"]
    command += ["--disable-pip", "--progress-spinner", "off", "--format", "json"]
    run = subprocess.run(command, capture_output=True, text=True)
    return run.stdout, run.stderr


def answer_of(written: str, complaint: str) -> Answer:
    """Read pip-audit's JSON; where there is none, its last complaint says why."""
    answer = Answer()
    try:
        found: list[dict[str, Any]] = json.loads(written)["dependencies"]
    except (ValueError, KeyError, TypeError):
        why = (complaint.strip().splitlines() or ["pip-audit wrote nothing"])[-1]
        answer.unchecked = {"everything": why}
        return answer
    for one in found:
        if "skip_reason" in one:
            answer.unchecked[one["name"]] = one["skip_reason"]
            continue
        answer.checked += 1
        for flaw in one["vulns"]:
            better = ", ".join(flaw["fix_versions"]) or "no version yet"
            answer.known.append(
                f"{one['name']} {one['version']}: {flaw['id']}, mended in {better}"
            )
    return answer


def pins_of(text: str) -> dict[str, str]:
    """Return versions by package."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)$", text, re.M))


def installed(pins: dict[str, str]) -> list[str]:
    """Say of every package that is installed which version, and where that is not the pin."""
    lines = []
    for name, pin in pins.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            continue
        lines.append(f"{name}=={found}" + ("" if found == pin else f"  (pinned: {pin})"))
    return lines


def main() -> int:
    """Ask, tell, return the exit code."""
    answer, pins = answer_of(*asked(PINS)), pins_of(PINS.read_text("utf-8"))
    print(*answer.known, sep="\n", end="\n" * bool(answer.known))
    if answer.code == UNCHECKED:
        print("installed here:", *installed(pins), sep="\n  ")
    if answer.unchecked:
        first = next(iter(answer.unchecked.values()))
        count = max(len(answer.unchecked), len(pins) - answer.checked)
        print(
            f"NOT CHECKED: {count} of {len(pins)} pins; PyPI said nothing of them ({first}). "
            "Run this again where pypi.org can be reached.",
            file=sys.stderr,
        )
    if answer.checked:
        print(f"{answer.checked} pins checked: {len(answer.known) or 'no'} known vulnerabilities")
    return answer.code


if __name__ == "__main__":
    sys.exit(main())
