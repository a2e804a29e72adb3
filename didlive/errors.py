"""Errors a person can act on: one line that says what is wrong and what to do."""


def reason(error: Exception) -> str:
    """Return why something failed, in the system's words where it is the system's error, without its number."""
    return getattr(error, "strerror", None) or str(error)


class DidliveError(Exception):
    """Base of every error caused by input or environment; the command line prints it and exits with code 2."""


class BadInput(DidliveError):
    """A portrait, clip, motion file or option cannot be used; the message says why and what to do."""


class ModelMissing(DidliveError):
    """A model file is absent or does not have the expected SHA-256."""


class CameraLost(DidliveError):
    """A camera is absent, busy, stalled or was unplugged."""


class OutputFailed(DidliveError):
    """An output cannot be opened or written (unknown type, no permission, disk full)."""


class Cancelled(DidliveError):
    """The user stopped a long job; nothing was left behind."""
