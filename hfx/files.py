"""Files: read within bounds, written whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hfx.errors import HfxError

LIMIT = 1 << 29  # bytes; no picture within the limits, and no file of ours, needs more


def read(path: Path) -> bytes:
    """Return a file's bytes; raises HfxError where it cannot be read, or is larger than LIMIT."""
    try:
        if path.stat().st_size > LIMIT:
            raise HfxError(f"{path} is too large: files of up to {LIMIT:,} bytes are read")
        return path.read_bytes()
    except OSError as error:
        raise HfxError(f"cannot read {path}: {error.strerror or error}; check the path") from error


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed to it on success and deleted on failure.

    Whoever reads `path` meanwhile sees the old file or the new one, never half of either.

    Raises:
        HfxError: where the file cannot be written (no such folder, no permission, disk full).
    """
    # A link stays a link: the file behind it is the one replaced. A device is never replaced.
    target = Path(os.path.realpath(path))
    if os.path.exists(target) and not target.is_file():
        raise HfxError(f"cannot write {path}: it exists and is not a file; name another output")

    # Same folder, because a rename is atomic only within one file system; same suffix, because
    # writers such as Pillow and numpy choose a format by it; created by the caller's own `open`,
    # so that the file gets the permissions any other new file gets.
    temporary = target.with_name(f".hfx-{secrets.token_hex(6)}{target.suffix}")
    try:
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        raise HfxError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write(path: Path | str, data: bytes) -> None:
    """Write `data` to `path` whole or not at all; raises what `atomic` raises."""
    with atomic(path) as temporary:
        temporary.write_bytes(data)
