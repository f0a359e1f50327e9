"""What the dashboard asks of its server: seconds to the first picture, memory, patience.

    python experiments/server.py --data KODAK --out data/results/dashboard.csv

A server of its own and the machine's Chromium. In turn: a 768x512 photograph, warm, whose tier
and quality are changed; ten more uploads; a 24-megapixel JPEG (a mosaic of the photographs and
their mirror images, so that it is as hard to code as they are), while another visitor asks the
server for a page every half second. Memory is the server's resident set, whole, as /proc tells
it, so it runs on Linux. Measure on a machine that does nothing else.
"""

import argparse
import io
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, sync_playwright

from hfx.results import write

ROOT = Path(__file__).parents[1]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
COLUMNS = ["what", "value", "unit", "note"]
UPLOADS, TURNS = 10, 6
WIDTH, HEIGHT = 6000, 4000


class Server:
    """The dashboard in a process of its own."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py"]
        command += ["--server.port", str(port), "--server.address", "127.0.0.1"]
        command += ["--server.fileWatcherType", "none"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        self.address = f"http://127.0.0.1:{port}"
        while self.ask() is None:
            time.sleep(0.25)

    def ask(self) -> float | None:
        """Return how many seconds the server takes to answer; None where it does not."""
        begun = time.perf_counter()
        try:
            urllib.request.urlopen(f"{self.address}/_stcore/health", timeout=60).close()
        except OSError:
            return None
        return time.perf_counter() - begun

    def megabytes(self, field: str = "VmRSS") -> float:
        """Return the resident memory, or with VmHWM the most it ever was."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(f"{field}:"))
        return int(line.split()[1]) * 1024 / 1e6


@contextmanager
def serving() -> Iterator[Server]:
    """Serve the dashboard while the block runs."""
    server = Server()
    try:
        yield server
    finally:
        server.process.kill()  # whatever it may be at
        server.process.wait()


def mosaic(paths: list[Path]) -> bytes:
    """Return a 24-megapixel JPEG: the photographs side by side, every other row mirrored."""
    pictures = [Image.open(path).convert("RGB") for path in paths]
    canvas, i = Image.new("RGB", (WIDTH, HEIGHT)), 0
    for top in range(0, HEIGHT, 512):
        for left in range(0, WIDTH, 768):
            picture = pictures[i % len(pictures)].resize((768, 512))
            mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            canvas.paste(picture if top // 512 % 2 == 0 else mirrored, (left, top))
            i += 1
    out = io.BytesIO()
    canvas.save(out, format="JPEG", quality=92)
    return out.getvalue()


def ours(page: Page, name: str) -> Locator:
    """Return what the browser has once our decoded picture of an upload is painted."""
    painted = page.locator(".layer.right img").and_(page.get_by_alt_text(f"{name}: hfx"))
    return painted.and_(page.locator(":not([alt*=follows])"))


def send(page: Page, path: Path) -> tuple[float, float]:
    """Upload a picture; return the seconds until it is on the screen, and until ours of it is."""
    begun = time.perf_counter()
    page.locator("input[type=file]").first.set_input_files(path)
    page.locator(".layer.left img").and_(page.get_by_alt_text(path.name)).wait_for()
    shown = time.perf_counter() - begun
    ours(page, path.name).wait_for()
    return shown, time.perf_counter() - begun


def rest(page: Page) -> None:
    """Wait until nothing runs and every number is there."""
    page.get_by_test_id("stTable").filter(has_not_text="…").wait_for()
    page.wait_for_timeout(1500)


def turned(page: Page, turn: Locator, key: str = "") -> float:
    """Change a control; return the seconds until another picture of ours is painted."""
    image = page.locator(".layer.right img")
    before = image.get_attribute("src")
    begun = time.perf_counter()
    turn.press(key) if key else turn.click()
    fresh = "([e, old]) => e.src !== old && e.complete && !e.alt.includes('follows')"
    while not image.evaluate(f"(e, old) => ({fresh})([e, old])", before):
        time.sleep(0.01)
    return time.perf_counter() - begun


def measured(page: Page, server: Server, paths: list[Path]) -> Iterator[list[object]]:
    """Do it all; yield rows."""
    send(page, paths[0])
    rest(page)
    tiers = ["low", "high", "medium"] * (TURNS // 3)
    seconds = []
    for tier in tiers:  # each tier once cold; the second time it lies on the shelf
        seconds.append(turned(page, page.get_by_role("radio", name=tier)))
        rest(page)
    yield ["tier changed to new picture", max(seconds[:2]), "s", "768x512; slowest, first time"]
    yield ["tier changed to picture seen before", max(seconds[2:]), "s", "768x512; slowest"]
    page.get_by_role("radio", name="Quality").click()
    rest(page)
    slider = page.get_by_role("slider", name="Quality")
    seconds = []
    for _ in range(TURNS):
        seconds.append(turned(page, slider, "ArrowRight"))
        rest(page)
    note = f"768x512; slowest of {TURNS}, median {np.median(seconds):.2f}"
    yield ["slider moved to new picture", max(seconds), "s", note]
    page.get_by_role("radio", name="Tier").click()
    rest(page)

    levels = []
    for path in paths[1 : UPLOADS + 2]:
        send(page, path)
        rest(page)
        levels.append(server.megabytes())
    note = f"from {levels[0]:.0f} to {levels[-1]:.0f} MB resident"
    yield [f"growth over {UPLOADS} uploads", levels[-1] - levels[0], "MB", note]

    waits: list[float] = []
    done = threading.Event()

    def visit() -> None:
        while not done.wait(0.5):
            waits.append(server.ask() or 60.0)

    visitor = threading.Thread(target=visit)
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.jpg"
        data = mosaic(paths)
        large.write_bytes(data)
        visitor.start()
        shown, coded = send(page, large)
    done.set()
    visitor.join()
    note = f"{WIDTH}x{HEIGHT}, {len(data) / 1e6:.1f} MB"
    yield ["24-megapixel JPEG to first picture, the original", shown, "s", note]
    yield ["24-megapixel JPEG to first picture of ours", coded, "s", note]
    yield ["longest wait of another visitor meanwhile", max(waits), "s", f"{len(waits)} times"]
    rest(page)
    yield ["server's memory at most", server.megabytes("VmHWM"), "MB", "all of the above"]


def main() -> None:
    """Measure, print and write the CSV."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="Kodak's photographs")
    parser.add_argument("--out", type=Path, required=True, help="the CSV to write")
    args = parser.parse_args()
    paths, rows = sorted(args.data.glob("*.png")), []
    chromium_path = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium_path is None:
        parser.error("Chromium is not on this machine; install it")
    with serving() as server, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        page = chromium.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(180_000)
        page.goto(server.address)
        rest(page)
        for row in measured(page, server, paths):
            print(f"{row[0]:48} {row[1]:8.2f} {row[2]:3} {row[3]}", flush=True)
            rows.append(dict(zip(COLUMNS, row, strict=True)))
        write(args.out, COLUMNS, rows)
        page.close()


if __name__ == "__main__":
    main()
