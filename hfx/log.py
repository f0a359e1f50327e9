"""What a run leaves to read: log.csv, evaluations.csv and sample strips."""

import csv
from pathlib import Path

from hfx.run import Run
from hfx.validate import validate


class Log:
    """log.csv of a run: means over the steps since the last row."""

    def __init__(self, out: Path, keep: int) -> None:
        """Open the log, dropping rows after step `keep`, which a resumed run will do again."""
        (out / "samples").mkdir(parents=True, exist_ok=True)
        self.path = out / "log.csv"
        self.totals: dict[str, float] = {}
        self.counts: dict[str, int] = {}
        rows = list(csv.reader(open(self.path))) if self.path.exists() else []
        if rows:
            kept = [rows[0]] + [row for row in rows[1:] if int(row[0]) <= keep]
            with open(self.path, "w", newline="") as file:
                csv.writer(file).writerows(kept)

    def add(self, row: dict[str, float]) -> None:
        """Take in one step."""
        for key, value in row.items():
            self.totals[key] = self.totals.get(key, 0.0) + value
            self.counts[key] = self.counts.get(key, 0) + 1

    def write(self, step: int, seconds: float) -> str:
        """Write one row and return it as a line to read."""
        means = {k: self.totals[k] / self.counts[k] for k in sorted(self.totals)}
        self.totals, self.counts = {}, {}
        new = not self.path.exists()
        with open(self.path, "a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", "minutes", *means])
            writer.writerow([step, f"{seconds / 60:.3f}", *(f"{v:.9g}" for v in means.values())])
        shown = " ".join(f"{k} {v:.4g}" for k, v in means.items())
        return f"step {step} {seconds / 60:.1f} min {shown}"


def log_evaluation(out: Path, run: Run, folder: Path) -> str:
    """Append the averaged weights' mean rate and quality on whole pictures; return it as text."""
    path = out / "evaluations.csv"
    new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    with open(path, "a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "minutes", "tier", "bpp", "psnr", "lpips"])
        for tier, bpp, psnr, lpips in validate(run.average, folder):
            numbers = [f"{bpp:.4f}", f"{psnr:.3f}", f"{lpips:.4f}"]
            writer.writerow([run.step, f"{run.seconds / 60:.2f}", tier, *numbers])
            lines.append(f"{tier}: {numbers[0]} bpp, {numbers[1]} dB, LPIPS {numbers[2]}")
    return "; ".join(lines)
