"""The package's exceptions: one family, caught once, in the command line."""

from pathlib import Path


class ObjdiscError(Exception):
    """Something failed on the way; the message says what, where and what to do (exit code 1)."""

    exit_code = 1


class UsageError(ObjdiscError):
    """The command, the config or the data is missing or wrong; the message says how to mend it (exit code 2)."""

    exit_code = 2


class UnreadableImageError(ObjdiscError):
    """One image or label file cannot be decoded, or an image and its label map do not fit each other.

    Args:
        path: The file at fault.
        reason: What was found and what was expected.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")
