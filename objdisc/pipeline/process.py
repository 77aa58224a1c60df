"""Settings of the command line's own process: allocator and threads; a user's own process is left as it is."""

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h
_NEVER = 2**31 - 1  # bytes


def let_waiting_threads_sleep() -> None:
    """Let waiting threads of GNU's OpenMP fall asleep soon; it must be called before PyTorch is imported.

    By default a waiting thread spins for milliseconds, on a core that a loading process or other work may need: with
    two threads and such work, steps take up to 26 times as long. Here it spins for about as long as falling asleep and
    waking up take, as OpenMP itself does if there are more threads than cores. Settings in the environment take
    precedence.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def keep_freed_memory() -> None:
    """Let glibc reuse the memory of activations instead of returning it to the system after every layer.

    Every fresh page causes a page fault. On one core, these take half the time of EfficientNet-Lite0's forward pass,
    and a third of a Network in Network's training step.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library, such as musl
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, _NEVER)
