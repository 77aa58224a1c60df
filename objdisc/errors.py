"""The package's exceptions: one family, caught once, in the command line."""

from pathlib import Path


class ObjdiscError(Exception):
    """Something failed on the way; the message says what, where and what to do (exit code 1)."""

    exit_code = 1


class UsageError(ObjdiscError):
    """The command, the config or the data cannot serve what was asked (exit code 2)."""

    exit_code = 2


class UnreadableImageError(ObjdiscError):
    """One image or label file cannot be decoded, or does not fit its partner.

    Args:
        path: The file at fault.
        reason: What was found and what was expected.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")
