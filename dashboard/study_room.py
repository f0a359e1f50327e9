"""What the server holds for studies: the instructor's passcode, the work on a new one, results."""

import hmac
import os
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path

import streamlit as st

import hfx
from dashboard import resources
from hfx.errors import HfxError
from hfx.image import Source
from hfx.study import manifest, outcome, votes
from hfx.study.manifest import LETTERS, Study
from hfx.study.outcome import Outcome
from hfx.study.prepare import Setup, prepare

PASSCODE = "HFX_INSTRUCTOR"


class Stopped(Exception):
    """Somebody does not want the study any more."""


@st.cache_resource(show_spinner=False)
def passcode() -> str:
    """Return what opens the instructor's view: HFX_INSTRUCTOR, or a new one for this server.

    A new one appears on the server's console, as Jupyter's token does.
    """
    given = os.environ.get(PASSCODE)
    if given:
        return given
    made = "".join(secrets.choice(LETTERS) for _ in range(6))
    print(f"hfx: passcode of the instructor's view of Which is real?: {made}", flush=True)
    return made


def opens(typed: str) -> bool:
    """Tell whether this is the passcode."""
    return hmac.compare_digest(typed.strip().encode(), passcode().encode())


class Work:
    """The making of a study, in a thread of its own that outlives the page.

    Attributes:
        title: What is being made.
        total: Photographs to code.
        done: Photographs coded.
        notes: What was left out, and why.
        study: The study, once it is there.
        error: Why there is none.
    """

    def __init__(
        self, pictures: Mapping[str, Source], setup: Setup, codec: hfx.Codec, root: Path
    ) -> None:
        self.title, self.total, self.done = setup.title, len(pictures), 0
        self.notes: list[str] = []
        self.study: Study | None = None
        self.error: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(pictures, setup, codec, root), name="hfx-study", daemon=True
        )
        turn = resources.shelf().turn  # here: in its thread there is no Streamlit
        self._turn = turn
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Stop after the photograph that is being coded; nothing of the study stays."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until it is over."""
        self._thread.join(seconds)

    def _step(self) -> None:
        self.done += 1
        if self._stop.is_set():
            raise Stopped

    def _run(
        self, pictures: Mapping[str, Source], setup: Setup, codec: hfx.Codec, root: Path
    ) -> None:
        try:
            root.mkdir(parents=True, exist_ok=True)
            code = manifest.new_code()
            self.study = prepare(
                pictures, setup, codec, root / code, code=code,
                tell=self.notes.append, step=self._step, turn=self._turn,
            )  # fmt: skip
        except Stopped:
            self.error = "Stopped: nothing was kept."
        except (HfxError, OSError) as error:
            self.error = str(error)
        except MemoryError:
            self.error = "This machine has not enough memory for it."


class Workshop:
    """Makes one study at a time: a server has little to spare beside its visitors."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.work: Work | None = None

    def begin(
        self, pictures: Mapping[str, Source], setup: Setup, codec: hfx.Codec, root: Path
    ) -> Work:
        """Begin to make a study; raises HfxError while another is being made."""
        with self.guard:
            if self.work is not None and self.work.running:
                raise HfxError(f"“{self.work.title}” is being prepared; wait for it, or stop it")
            self.work = Work(pictures, setup, codec, root)
            return self.work


@st.cache_resource(show_spinner=False)
def workshop() -> Workshop:
    """Return the one workshop of this server."""
    return Workshop()


@st.cache_data(show_spinner=False, max_entries=32)
def _outcome(folder: str, code: str, counts: tuple[int, int], without_flagged: bool) -> Outcome:
    return outcome.outcome(manifest.read(Path(folder)), without_flagged)


def outcome_of(study: Study, without_flagged: bool) -> Outcome:
    """Return what the votes so far come to; counted anew only where there are new ones.

    Raises:
        HfxError: the votes cannot be read.
    """
    counts = votes.count(study)
    return _outcome(str(study.folder), study.code, counts, without_flagged)
