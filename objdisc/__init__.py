"""Object categories discovered in unlabelled images, and the tables that tell how good they are."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("objdisc")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"
