"""The neighbour models of one set of weights, loaded when first asked for."""

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from hfx.bitstream import NEIGHBOURS
from hfx.entropy.pmf import Tables
from hfx.errors import HfxError, WeightsError

if TYPE_CHECKING:  # xgboost and scikit-learn take a second to import, and "none" needs neither
    from hfx.neighbours.store import Fitted


class Models:
    """Finds and keeps neighbour models.

    Args:
        weights: The file of the weights; the models lie beside it. None: there are none.
        fingerprint: Of the weights.
        tables: Of y.

    Attributes:
        preferred: The kind used where none is asked for.
    """

    def __init__(self, weights: Path | None, fingerprint: bytes, tables: Tables) -> None:
        self.weights, self.fingerprint, self.tables = weights, fingerprint, tables
        self.loaded: dict[str, tuple[Fitted, bytes]] = {}
        self.preferred = "xgb" if "xgb" in self.kinds() else "none"

    def kinds(self) -> list[str]:
        """Return the kinds there are, "none" among them, without loading any."""
        return [k for k in NEIGHBOURS if k == "none" or k in self.loaded or self._file(k)]

    def choose(self, kind: str | None) -> str:
        """Return the kind asked for, or the preferred one; loads it, so that errors come now.

        Raises:
            HfxError: there is no such kind.
            WeightsError: its model is missing, damaged or for other weights.
        """
        kind = kind or self.preferred
        if kind not in NEIGHBOURS:
            raise HfxError(f"no neighbour model {kind!r}; use one of {', '.join(NEIGHBOURS)}")
        if kind != "none":
            self.get(kind)
        return kind

    def get(self, kind: str) -> tuple[ModuleType, "Fitted", bytes]:
        """Return what codes with a kind, the model, and the model's fingerprint.

        Raises:
            WeightsError: its model is missing, damaged or for other weights.
        """
        from hfx.neighbours import coding, store

        if kind not in self.loaded:
            path = self._file(kind)
            if path is None:
                raise WeightsError(
                    f"there is no {kind} neighbour model for these weights; "
                    f"`hfx fit-neighbours --kind {kind}` makes one"
                )
            self.loaded[kind] = store.load(path, kind, self.fingerprint, self.tables)
        return coding, *self.loaded[kind]

    def _file(self, kind: str) -> Path | None:
        """Return the file of a kind, if there is one."""
        if self.weights is None:
            return None
        path = self.weights.with_name(f"{self.weights.stem}.{kind}{self.weights.suffix}")
        return path if path.is_file() else None
