"""What the command line asks of its own process, allocator and threads; one of somebody else's is left as it is."""

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h
_NEVER = 2**31 - 1  # bytes


def let_waiting_threads_sleep() -> None:
    """Let a thread of GNU's OpenMP that waits for others fall asleep soon; it counts where PyTorch comes later.

    By default it spins for milliseconds, on a core that a loading process or other work may want: with two threads and
    such work, steps take up to 26 times as long. Here it spins for about as long as falling asleep and waking up takes,
    as OpenMP itself does where it knows of more threads than cores. What the environment says comes first.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


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
