"""A command that is run for its cost as well: ``python -m objdisc.pipeline.measured FILE.json COMMAND ...``.

It is a process of its own, because a peak of memory is that of all a process has ever done.
"""

import importlib
import sys
from dataclasses import asdict
from pathlib import Path

from objdisc.io.files import read_json, write_json
from objdisc.io.spent import Spent

_MEBIBYTE = 1 << 20


def measured(file: Path, argv: list[str]) -> int:
    """Run a command, and note how it ended, how long it took and the memory it held.

    Seconds and peaks that the file holds already, of a run that was interrupted, count as well.

    Args:
        file: Where ``exit_code``, ``seconds``, ``cpu_seconds`` (which other programs on the machine change little),
            ``peak_mebibytes`` and ``device_peak_mebibytes`` (None without CUDA) go.
        argv: The words after ``objdisc``.

    Returns:
        The command's exit code.
    """
    before = read_json(file) if file.is_file() else {}
    spent, start = Spent.read(file), Spent(Spent.now().seconds)  # the processor's seconds of the whole process count
    code: int = importlib.import_module("objdisc.cli").main(argv)  # the whole program, of which this is a part
    device = device_peak()
    numbers = {
        "exit_code": code,
        **asdict(spent + Spent.now().since(start)),
        "peak_mebibytes": max(before.get("peak_mebibytes", 0.0), peak_memory() / _MEBIBYTE),
        "device_peak_mebibytes": None
        if device is None
        else max(before.get("device_peak_mebibytes") or 0.0, device / _MEBIBYTE),
    }
    write_json(file, numbers)
    return code


def peak_memory() -> int:
    """Return the most bytes that this process held in memory at a time; those of its children are not counted."""
    status = Path("/proc/self/status")
    if status.is_file():  # not ru_maxrss: on Linux that of a child starts with its parent's
        return 1024 * int(status.read_text(encoding="ascii").split("VmHWM:")[1].split()[0])
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def device_peak() -> int | None:
    """Return the most bytes that tensors held on a CUDA device at a time; None if none was used."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    return max(int(torch.cuda.max_memory_allocated(index)) for index in range(torch.cuda.device_count()))


if __name__ == "__main__":
    sys.exit(measured(Path(sys.argv[1]), sys.argv[2:]))
