"""What the command line asks of the allocator: a process of somebody else's is left as it is."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h
_NEVER = 2**31 - 1  # bytes


def keep_freed_memory() -> None:
    """Let glibc reuse the memory of activations instead of giving it back to the system after every layer.

    Every fresh page is a fault into the kernel. Measured on one core: half the time of EfficientNet-Lite0's forward
    pass, a third of a Network in Network's training step.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library, such as musl
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, _NEVER)
