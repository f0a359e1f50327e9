"""What a user can cause: one clear line that says what is wrong and what to do."""


class HfxError(Exception):
    """Base of every error whose message is meant for the user, not for a traceback."""


class BitstreamError(HfxError):
    """A file that is not a readable `.hfx` file, or a picture that does not fit into one."""


class ImageError(HfxError):
    """A picture that cannot be read: missing, damaged, empty or too large."""


class WeightsError(HfxError):
    """Weights that are missing, damaged, or not the ones a file was written with."""
