"""The name of ``labels`` in version 0.1, for the configs and runs that use it."""

from objdisc.objectness.labels import Labels


class Foreground(Labels):
    """8-connected components of the foreground map: the same as ``labels``."""
