"""A training that can begin: its options, images and folder, and how far an earlier call has come."""

from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator

from objdisc.datasets import ImageDataset
from objdisc.io.run import Run
from objdisc.methods.base import Method
from objdisc.objectness.base import ObjectnessSource
from objdisc.pipeline.options import DiscoverOptions
from objdisc.pipeline.stages import Stage


@dataclass(frozen=True, eq=False)
class Job:
    """A training that can begin.

    Attributes:
        command: ``discover`` or ``train``.
        options: The options.
        path: Folder of the images.
        dataset: The split to train on.
        scored: The evaluation split; the same object if there is no other.
        source: Where regions come from.
        home: The run's folder.
        run: Where the run is written: in ``home``, or beside the run that it will replace.
        stages: The trainings of a chain, in order; the last one is the run itself.
        method: Method of the last stage, untrained.
        finished: Whether the whole run exists already.
        trained: Whether the training has ended, so that only predictions are left.
        accelerator: Device and processes.
        scene: The run that divides whole images, from ``scene_options``; None if none is wanted.
    """

    command: str
    options: DiscoverOptions
    path: Path
    dataset: ImageDataset
    scored: ImageDataset
    source: ObjectnessSource
    home: Path
    run: Run
    stages: tuple[Stage, ...]
    method: Method
    finished: bool
    trained: bool
    accelerator: Accelerator
    scene: DiscoverOptions | None = None

    @property
    def replaces(self) -> bool:
        """Whether the run is written beside one that it will replace."""
        return self.run.path != self.home
