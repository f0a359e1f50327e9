"""A server of the dashboard, and the machine's own Chromium to look at it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

import hfx
from hfx import weights

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",  # a camera for the page that wants one
]
START = 120  # seconds for the server to come up
LOOPBACK = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")


@contextmanager
def serving(log, **environment):
    """Serve the dashboard; yield its address, and write what it says into `log`."""
    pytest.importorskip("streamlit", reason="the dashboard's extra is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py"]
    command += ["--server.port", str(port), "--server.address", "127.0.0.1"]
    command += ["--server.fileWatcherType", "none"]
    with open(log, "w") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, env=os.environ | environment
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(START * 4):
            assert process.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.25)
        else:
            pytest.fail(f"no server after {START} s: {log.read_text()}")
        yield address
        assert "Traceback" not in log.read_text(), log.read_text()
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The address of a running dashboard."""
    try:
        weights.find()
    except hfx.WeightsError as error:
        pytest.skip(f"no weights here: {error}")
    folder = tmp_path_factory.mktemp("server")
    with serving(folder / "log.txt", HFX_LAB=str(folder / "lab")) as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    """Chromium, as the machine has it; none is downloaded."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(NAMES)} is on this machine")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield chromium
        chromium.close()


def again(message):
    """Tell what is asked for once more: a picture that was not there yet, a page's server.

    Tests wait for such a picture; and a link to a page looks for the server below its own address
    first.
    """
    url = message.location["url"]
    return "404" in message.text and ("/media/" in url or "/_stcore/" in url)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Where a test fails that looks at a page, say what was on it: elsewhere no one can look."""
    try:
        return (yield)
    except Exception as error:
        if "page" in item.funcargs:
            error.add_note(seen(item.funcargs["page"]))
        raise


def seen(page):
    """Return what a page shows, and how its pictures are."""
    try:
        text = page.locator("body").inner_text(timeout=5_000)
        images = page.evaluate(IMAGES)
        return "\n".join(["The page:", page.url, text, *images])
    except Exception as error:  # it must not hide why the test failed
        return f"The page could not be read: {error}"


IMAGES = """() => [...document.querySelectorAll("img, .stage")].map((e) => e.matches("img")
  ? `img "${e.alt}" ${e.src}: ${e.complete ? "complete" : "loading"}, ${e.naturalWidth} wide`
  : `stage: ${e.dataset.state}, ${e.clientWidth} wide`)"""


@pytest.fixture
def page(browser, server):
    """A page that fails its test where it asks another machine, or reports an error."""
    with browser.new_context(viewport={"width": 1400, "height": 1000}) as context:
        page = context.new_page()
        page.set_default_timeout(120_000)
        away, errors = [], []
        context.on("request", lambda r: r.url.startswith(LOOPBACK) or away.append(r.url))
        page.on("websocket", lambda w: w.url.startswith(LOOPBACK) or away.append(w.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: m.type == "error" and not again(m) and errors.append(m.text))
        page.goto(server)
        yield page
        assert not away, f"asked elsewhere: {away}"
        assert not errors, errors
