"""The network as one ONNX file for onnxruntime: from a PatchStore's uint8 patches to clusters.

Background, equalisation and normalisation are part of the graph, so that users need not repeat them.
"""

import importlib.util
import json
import logging
import re
import warnings
from collections.abc import Mapping
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from objdisc.errors import ObjdiscError, UsageError
from objdisc.io.files import atomic_write
from objdisc.methods.base import Method
from objdisc.training.options import TrainerOptions

INPUT, PROBABILITIES, EMBEDDING, FOREGROUND = "patches", "probabilities", "embedding", "foreground"
OPSET = 18
_BATCH = 64  # patches, when the file is compared
_ROUNDING = 1e-4
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_EXAMPLES = 2  # patches; the exporter takes a batch of 1 for a constant


class DeployedMethod(nn.Module):
    """A method with its preprocessing: from stored patches to probabilities, in float32.

    Args:
        method: Trained.
        options: Options of its training: background and equalisation.
    """

    def __init__(self, method: Method, options: TrainerOptions) -> None:
        super().__init__()
        self.method = method
        self.preprocessing = options.preprocessing(method.encoder)

    def forward(self, patches: Tensor) -> tuple[Tensor, ...]:
        """Predict for patches.

        Args:
            patches: ``(B, S, S, C + 1)`` uint8: C image channels, RGB first, and the mask of the object.

        Returns:
            Cluster probabilities ``(B, K)``, or ``(B, K, h, w)`` for a method that predicts each pixel; embeddings
            ``(B, D)``; and the probability of being an object ``(B,)``, if the method learned such a head.
        """
        said = self.method.infer(*self.preprocessing.both(patches))
        probabilities = said.probabilities if self.method.per_pixel else said.probabilities[:, :, 0, 0]
        outputs = (probabilities.float(), said.embedding.float())
        return outputs if said.foreground is None else (*outputs, said.foreground.float())


def write_onnx(path: Path, method: Method, options: TrainerOptions, size: int, about: Mapping[str, Any]) -> Path:
    """Write a method as ONNX, with a variable batch size.

    The input is ``patches``; the outputs are ``probabilities``, ``embedding`` and, with a foreground head,
    ``foreground``: see ``DeployedMethod.forward``. The head also sees the background, which needs a second pass of the
    encoder; with ``RunOptions.only_execute_path_to_fetches``, onnxruntime skips that pass if the output is not asked
    for.

    Args:
        path: The file.
        method: The trained method; it is moved to the CPU.
        options: Options of its training.
        size: Side of a patch in pixels.
        about: The file's metadata, each value as JSON.

    Raises:
        UsageError: The extra ``onnx`` is not installed.
        ObjdiscError: A part of the network has no ONNX form, or the file cannot be written.
    """
    _require_extra()
    if not method.exportable:
        raise UsageError("--format onnx: this method predicts by its training images and has no form as a network.")
    deployed = DeployedMethod(method.cpu(), options).eval()
    example = torch.zeros(_EXAMPLES, size, size, len(method.encoder.mean) + 1, dtype=torch.uint8)
    with torch.no_grad():
        names = [PROBABILITIES, EMBEDDING, FOREGROUND][: len(deployed(example))]
        model = _convert(deployed, example, names)
    for key, value in about.items():
        model.metadata_props.add(key=key, value=json.dumps(value, ensure_ascii=False))
    with atomic_write(path, "wb") as file:
        file.write(model.SerializeToString())
    return path


def _require_extra() -> None:
    """Raise an error unless the packages for writing and checking are installed; the exporter needs onnxscript."""
    missing = [name for name in ("onnx", "onnxruntime", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"--format onnx: {', '.join(missing)} not installed; run: pip install 'objdisc[onnx]'")


def check_onnx(path: Path, method: Method, options: TrainerOptions, patches: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Compare onnxruntime's output for the file with that of the method itself, in float32 on the CPU.

    Args:
        path: The file.
        method: The method that it was written from.
        options: Options of its training.
        patches: ``(n, S, S, C + 1)`` uint8.

    Returns:
        ``(n,)`` clusters from onnxruntime; ``(n, h, w)`` for a method that predicts each pixel.

    Raises:
        ObjdiscError: A patch gets another cluster, although its two best differ by more than rounding.
    """
    import onnxruntime

    deployed = DeployedMethod(method.cpu(), options).eval()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    clusters = []
    for start in range(0, len(patches), _BATCH):
        batch = np.array(patches[start : start + _BATCH])
        with torch.no_grad():
            expected = deployed(torch.from_numpy(batch))[0].numpy()
        clusters.append(session.run([PROBABILITIES], {INPUT: batch})[0].argmax(axis=1))
        best = np.sort(expected, axis=1)
        sure = best[:, -1] - best[:, -2] > _ROUNDING
        if (sure & (clusters[-1] != expected.argmax(axis=1))).any():
            raise ObjdiscError(
                f"{path}: onnxruntime puts a patch into another cluster than the run does; "
                "do not use the file, and report the versions of torch, onnx and onnxruntime."
            )
    return np.concatenate(clusters)


def _convert(deployed: DeployedMethod, example: Tensor, names: list[str]) -> Any:
    """Trace the network into an ``onnx.ModelProto``; the exporter's own messages are kept off the terminal."""
    import onnx

    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.fx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), redirect_stderr(StringIO()):  # a failure prints the whole graph
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                deployed,
                (example,),
                input_names=[INPUT],
                output_names=names,
                dynamic_shapes={"patches": {0: torch.export.Dim("batch")}},
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        assert program is not None  # so with dynamo=True
        onnx.checker.check_model(program.model_proto)
        return program.model_proto
    except (torch.onnx.OnnxExporterError, onnx.checker.ValidationError) as error:
        raise ObjdiscError(f"the network has no ONNX form ({_reason(error)}).") from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _reason(error: BaseException) -> str:
    """Say in one line what the first error was: the exporter wraps it in others, which say what to do next."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = _TERMINAL_CODES.sub("", str(error)).strip().splitlines()
    return lines[0].rstrip(" .:") if lines else type(error).__name__
