"""What every method must satisfy, as a check that authors run on their own classes: ``check_method(MyMethod)``."""

import ast
import copy
import importlib
import importlib.util
import inspect
import json
import os
import pkgutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from objdisc.io.run import Run, read_metrics_log
from objdisc.methods.base import Method, Ranks
from objdisc.models.encoder import Encoder, build_encoder
from objdisc.patches.memory import PatchArray
from objdisc.training.options import TrainerOptions
from objdisc.training.trainer import fit
from objdisc.types import Batch

_SIDE, _OBJECTS, _BACKGROUND, _CLUSTERS, _WIDTH = 16, 60, 20, 4, 32
_OPTIONS = TrainerOptions(
    epochs=2, batch_size=20, lr=1e-3, device="cpu", precision="fp32", workers=0, background="keep", equalization=0.0
)
_SUMS = 1e-4  # by which probabilities may miss 1
_PROCESSES = 2


class _Stopped(Exception):
    """Stands in for a power cut."""


def check_method(method: type[Method] | str, **arguments: Any) -> None:
    """Check what the trainer, the evaluation and the export rely on, on small random images, on the CPU.

    - Its module reads no labels: it imports nothing from ``objdisc.evaluation`` and never calls ``read_labels``.
    - A training that was interrupted in its second epoch, or after it in ``finish``, and resumed ends with the weights
      of one that was not, bit for bit, and a second training with the same seed does, too.
    - Losses are finite, ``loss`` is a scalar, ``occupancy`` is not negative; batches hold background only where
      ``wants_background`` says so.
    - Two processes train, and end with the same weights.
    - ``infer`` gives probabilities that sum to 1 and a finite embedding, twice the same, and the weights alone bring
      them back in a new object.
    - The network can be exported (``torch.export``), if the method is ``exportable``.

    Takes seconds to a minute. Nothing is written except in a temporary folder.

    Args:
        method: The class, or its import path.
        arguments: Arguments of its constructor, besides the encoder and K.

    Raises:
        AssertionError: One of these does not hold; the message says which.
    """
    found = _find(method) if isinstance(method, str) else method
    _check_label_blind(found)
    with tempfile.TemporaryDirectory() as name, _without_chance():
        folder = Path(name)
        trained, whole = _train(found, arguments, folder / "whole")
        _check_log(Run(folder / "whole"))
        _check_repeated(found, arguments, folder, whole)
        _check_predictions(found, arguments, trained)
        if trained.exportable:
            _check_export(trained)
        if trained.trains:
            _check_processes(found, arguments, folder / "ranks")


def _find(path: str) -> type[Method]:
    found = pkgutil.resolve_name(path)
    assert inspect.isclass(found), f"{path} is no class"
    assert issubclass(found, Method), f"{path} is no Method"
    return found


@contextmanager
def _without_chance() -> Iterator[None]:
    """Leave the caller's random state unchanged."""
    with torch.random.fork_rng(devices=[]):
        state = np.random.get_state()  # noqa: NPY002 - libraries draw from it
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002


def build_small(method: type[Method], arguments: Mapping[str, Any]) -> Method:
    """Build a method with a small encoder, always with the same weights.

    Args:
        method: The class.
        arguments: Arguments of its constructor, besides the encoder and K.
    """
    torch.manual_seed(0)
    return method(_small_encoder(method.per_pixel), num_clusters=_CLUSTERS, **arguments)


def _small_encoder(per_pixel: bool) -> Encoder:
    if per_pixel:
        return build_encoder("segnet:S,8,M,8", weights="none")
    layers = [nn.Conv2d(3, 12, 3, stride=2, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, _WIDTH, 3)]
    return Encoder(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), _WIDTH)


def small_patches() -> PatchArray:
    """Draw images of a few colours, the last ones background; always the same."""
    generator = torch.Generator().manual_seed(1)
    total = _OBJECTS + _BACKGROUND
    colors = torch.rand(5, 3, 1, 1, generator=generator)[torch.arange(total) % 5]
    noise = 0.2 * torch.rand(total, 3, _SIDE, _SIDE, generator=generator)
    whole = PatchArray.of((colors + noise).clamp(0, 1))
    return PatchArray(whole.images, np.arange(total) < _OBJECTS)


def _check_label_blind(method: type[Method]) -> None:
    source = Path(inspect.getfile(method)).read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        imported = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        imported += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        reads = isinstance(node, ast.Attribute) and node.attr in {"read_labels", "patch_labels"}
        labels = [name for name in imported if name.startswith(("objdisc.evaluation", "objdisc.annotations"))]
        assert not labels, f"{method.__name__}: its module imports {labels[0]}, which reads class labels"
        assert not reads, f"{method.__name__}: its module reads class labels"


def _train(method: type[Method], arguments: Mapping[str, Any], folder: Path) -> tuple[Method, dict[str, bytes]]:
    built = build_small(method, arguments)
    with _looking(built) as seen:
        fit(built, small_patches(), Run.create(folder), _OPTIONS)
    if built.trains:
        assert seen, f"{method.__name__}: no training step ran"
    assert not any(seen) or built.wants_background, f"{method.__name__}: batches hold background nobody asked for"
    return built.eval(), _bytes_of(folder)


@contextmanager
def _looking(method: Method, stop_at: int | None = None) -> Iterator[list[bool]]:
    """Record for each training step whether its batch holds background; stop before a given step if asked to."""
    seen: list[bool] = []
    step: Callable[[Batch, Ranks], dict[str, Tensor]] = method.training_step

    def training_step(batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        if len(seen) == stop_at:
            raise _Stopped
        seen.append(not bool(batch.foreground.all()))
        terms = step(batch, ranks)
        assert "loss" in terms, f"{type(method).__name__}.training_step returns no term 'loss'"
        assert terms["loss"].ndim == 0, f"{type(method).__name__}: the loss is no scalar"
        return terms

    method.training_step = training_step  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        del method.training_step


def _bytes_of(folder: Path) -> dict[str, bytes]:
    weights = load_file(Run(folder).weights)
    return {name: value.contiguous().numpy().tobytes() for name, value in weights.items()}


def _check_log(run: Run) -> None:
    for record in read_metrics_log(run.metrics_log):
        numbers = {name: value for name, value in record.items() if isinstance(value, float)}
        broken = [name for name, value in numbers.items() if not np.isfinite(value)]
        assert not broken, f"the training logs {broken[0]} that is not finite"
        occupancy = np.asarray(record.get("occupancy", [0.0]))
        assert (occupancy >= 0).all(), "occupancy counts samples: it cannot be negative"


def _check_repeated(method: type[Method], arguments: Mapping[str, Any], folder: Path, whole: dict[str, bytes]) -> None:
    """Train again, and go on after an interruption in ``finish``, and after one in the second epoch."""
    _, again = _train(method, arguments, folder / "again")
    _check_equal(whole, again, "two trainings with one seed differ")
    if not method.trains:
        return
    Run(folder / "again").weights.unlink()  # what a process leaves that is killed after the last checkpoint
    fit(build_small(method, arguments), small_patches(), Run(folder / "again"), _OPTIONS, resume=True)
    _check_equal(whole, _bytes_of(folder / "again"), "one stopped in finish and resumed differs from one never stopped")
    stopped, patches = build_small(method, arguments), small_patches()
    steps = -(-len(patches) // _OPTIONS.batch_size)
    try:
        with _looking(stopped, stop_at=steps + 1):
            fit(stopped, patches, Run.create(folder / "stopped"), _OPTIONS)
    except _Stopped:
        fit(build_small(method, arguments), patches, Run(folder / "stopped"), _OPTIONS, resume=True)
    _check_equal(whole, _bytes_of(folder / "stopped"), "a resumed training differs from one that never stopped")


def _check_equal(one: Mapping[str, bytes], other: Mapping[str, bytes], what: str) -> None:
    assert one.keys() == other.keys(), f"{what}: in {sorted(one.keys() ^ other.keys())[0]}"
    different = sorted(name for name in one if one[name] != other[name])
    assert not different, f"{what}: first in {different[0]}"


@torch.no_grad()
def _check_predictions(method: type[Method], arguments: Mapping[str, Any], trained: Method) -> None:
    preprocessing = _OPTIONS.preprocessing(trained.encoder)
    images = preprocessing(torch.from_numpy(small_patches().images[:8]))
    said, again = (trained.infer(images, images) for _ in range(2))
    probabilities, count = said.probabilities, len(images)
    assert probabilities.shape[:2] == (count, _CLUSTERS), f"probabilities are {tuple(probabilities.shape)}, not B×K×h×w"
    assert probabilities.ndim == 4, "probabilities are B×K×h×w; h = w = 1 for patches"
    assert trained.per_pixel or probabilities.shape[2:] == (1, 1), "probabilities of patches have h = w = 1"
    assert torch.allclose(probabilities.sum(1), torch.ones(()), atol=_SUMS), "probabilities do not sum to 1"
    assert said.embedding.ndim == 2, "the embedding is B×D"
    assert bool(torch.isfinite(said.embedding).all()), "the embedding is not finite"
    assert torch.equal(probabilities, again.probabilities), "inferring twice gives two predictions"
    with torch.autocast("cpu", torch.bfloat16):
        halved = trained.infer(images, images)
    for name, tensor in (("probabilities", halved.probabilities), ("embedding", halved.embedding)):
        assert tensor.dtype is torch.float32, f"{name} are {tensor.dtype} under bf16 autocast, not float32"
    fresh = build_small(method, arguments)
    missing = fresh.load_state_dict(copy.deepcopy(trained.state_dict()), strict=False).missing_keys
    assert not missing, f"the weights of a trained method lack {missing[0]}, which a new one has"
    restored = fresh.eval().infer(images, images).probabilities
    assert torch.equal(probabilities, restored), "a new object with the same weights predicts something else"


@torch.no_grad()
def _check_export(trained: Method) -> None:
    """Trace the network from patches to probabilities, as the ONNX export does, which supports fewer operators."""
    from objdisc.export.onnx import DeployedMethod

    patches = torch.from_numpy(small_patches().images[:8])
    deployed = DeployedMethod(trained, _OPTIONS).eval()
    program = torch.export.export(deployed, (patches,), strict=False)
    expected, found = deployed(patches)[0], program.module()(patches)[0]
    assert torch.allclose(expected, found, atol=_SUMS), "the exported network predicts something else"


def _check_processes(method: type[Method], arguments: Mapping[str, Any], folder: Path) -> None:
    """Train in two processes, and compare the weights that each ends with."""
    folder.mkdir()
    told = {"file": inspect.getfile(method), "module": method.__module__, "name": method.__qualname__}
    (folder / "method.json").write_text(json.dumps({**told, "arguments": arguments}), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {**os.environ, "WORLD_SIZE": str(_PROCESSES), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    shared |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    code = "import sys; from objdisc.testing import train_as_rank; train_as_rank(sys.argv[1])"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(_PROCESSES)
    ]
    said = [process.communicate()[1] for process in running]
    broken = [text for process, text in zip(running, said, strict=True) if process.returncode]
    assert not broken, f"training in {_PROCESSES} processes failed:\n{broken[0]}"
    one, other = (load_file(folder / f"rank{rank}.safetensors") for rank in range(_PROCESSES))
    learned = {name for name, _ in build_small(method, arguments).named_parameters()}
    different = [name for name in one if name in learned and not torch.equal(one[name], other[name])]
    assert not different, f"two processes end with different weights: first {different[0]}"


def train_as_rank(folder: str) -> None:
    """Train as one of several processes, and save the weights; ``check_method`` starts it.

    Args:
        folder: Where ``method.json`` says what to train.
    """
    from safetensors.torch import save_file

    place = Path(folder)
    told = json.loads((place / "method.json").read_text(encoding="utf-8"))
    spec = importlib.util.find_spec(told["module"]) if told["module"] != "__main__" else None
    if spec is None:
        spec = importlib.util.spec_from_file_location("checked_method", told["file"])
    assert spec is not None  # the file was imported in the process that asks
    module = importlib.import_module(told["module"]) if told["module"] in sys.modules else _load(spec)
    method = build_small(getattr(module, told["name"]), told["arguments"])
    fit(method, small_patches(), Run(place / "run"), _OPTIONS)
    state = {name: value.contiguous() for name, value in method.state_dict().items()}
    save_file(state, place / f"rank{os.environ['RANK']}.safetensors")


def _load(spec: Any) -> Any:
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
