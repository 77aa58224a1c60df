"""The one interface between methods and the trainer."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from objdisc.config.choices import with_checked_choices
from objdisc.errors import UsageError
from objdisc.models.encoder import Encoder
from objdisc.types import Batch, Prediction


class Views(Enum):
    """The views of each sample in a batch."""

    SINGLE = "single"
    AUGMENTED_PAIR = "augmented_pair"
    AFFINE_PAIR = "affine_pair"
    NEIGHBOR_PAIR = "neighbor_pair"
    """A view of the row and a view of one of its ``EpochPlan.partners``."""


class Ranks(Protocol):
    """The processes of a training and the training set, as a method sees them.

    In one process, ``gather`` and ``sum`` are the identity.

    Attributes:
        foreground: ``(N,)`` bool on the CPU, one for each row of the training set.
        generator: Seeded again before ``begin_epoch``, by run and epoch, and before ``finish``, by run, alike in every
            process. These two must use no other randomness, or a resumed training would differ from one that never
            stopped.
        world: Number of processes.
    """

    foreground: Tensor
    generator: np.random.Generator
    world: int

    def encode(self, function: Callable[[Tensor], Tensor], rows: Tensor, view: int | None = None) -> Tensor:
        """Run a function of images over rows of the training set, in order, without gradients, gathered over processes.

        Args:
            function: Maps images ``(B, C, H, W)`` to ``(B, D)``. A module runs in evaluation mode; while any other
                function runs, such as ``self.embed``, the whole method is in evaluation mode.
            rows: ``(n,)`` int64 rows of the data set.
            view: None for the patches as they are, otherwise the number of a random augmented view (the same number
                gives the same view again).

        Returns:
            ``(n, D)`` float32 on the training device.
        """
        ...

    def gather(self, tensor: Tensor) -> Tensor:
        """Concatenate the tensors of all processes, of one shape ``(n, ...)``; gradients flow back."""
        ...

    def sum(self, tensor: Tensor) -> Tensor:
        """Add up the tensors of all processes, of one shape, without gradients."""
        ...


@dataclass(frozen=True)
class EpochPlan:
    """A method's plan for an epoch.

    Attributes:
        rows: ``(n,)`` int64 foreground rows in the order in which batches hold them, n >= 1; a repeated row is seen in
            another view, and each process takes its own part of a batch. None for every foreground row once, shuffled.
        partners: ``(N, k)`` int64 rows that a row may be paired with, one of which is drawn each time; for
            ``Views.NEIGHBOR_PAIR`` only. With -1, a row is paired with itself; with None, all rows are.
        reset: Parameters that were reinitialised: the optimiser drops its state for them.
        assignments: ``(N,)`` int64 cluster of each row that the epoch trains on, -1 for none; saved so that the
            evaluation can compare them later. None if there are no such clusters.
    """

    rows: Tensor | None = None
    partners: Tensor | None = None
    reset: Sequence[nn.Parameter] = ()
    assignments: Tensor | None = None


class Method(nn.Module, ABC):
    """A clustering method: an encoder, an objective, and cluster probabilities.

    The trainer calls ``setup`` once; then for each epoch ``begin_epoch``, ``training_step`` for each batch, and
    ``end_epoch``; then ``finish``. A method calls no collectives and never sees a class label. Everything that must
    survive a resume is a parameter or a buffer.

    Args:
        encoder: Maps images to features.
        num_clusters: K, at least 2.

    Raises:
        UsageError: There are fewer clusters, or there is no ``training_step`` although the class ``trains``.
    """

    views: Views = Views.SINGLE
    per_pixel: ClassVar[bool] = False
    """Whether ``infer`` gives probabilities for each pixel of an image, not for the whole image."""
    trains: ClassVar[bool] = True
    """Whether the method is trained step by step; otherwise the trainer runs no epoch."""
    wants_background: ClassVar[bool] = False
    """Whether batches hold background windows besides objects."""
    map_kind: ClassVar[Literal["clusterIds", "sceneIds"]] = "clusterIds"
    """Name of the run's folder for maps of cluster ids, and suffix of their file names."""
    edge_radius: float = 0.0
    """How far full-size maps are moved to edges of the image, as a share of its shorter side; 0 for not at all."""
    preferred: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """The method's own defaults for settings of a run, by dotted names."""
    default_stages: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType({})
    """Runs that make up the method unless it is told what to start from, as ``DiscoverOptions.stages`` has them."""

    @classmethod
    def preferences(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return ``preferred``, or what the method wants instead under settings that somebody has given.

        Args:
            settings: Values by their dotted names, such as ``weights``, as they were given.
        """
        return cls.preferred

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "__init__" in vars(cls):
            cls.__init__ = with_checked_choices(cls.__init__)  # type: ignore[method-assign]

    def __init__(self, encoder: Encoder, num_clusters: int) -> None:
        super().__init__()
        if num_clusters < 2:
            raise UsageError(f"num_clusters {num_clusters}: at least 2 are needed")
        if self.trains and type(self).training_step is Method.training_step:
            raise UsageError(_no_step(self))
        self.encoder = encoder
        self.num_clusters = num_clusters

    @property
    def num_views(self) -> int:
        """Views of a foreground sample that a batch holds."""
        return 1 if self.views is Views.SINGLE else 2

    @property
    def exportable(self) -> bool:
        """Whether ``infer`` depends only on weights, so that other runtimes can run it."""
        return True

    def setup(self, num_samples: int) -> None:
        """Allocate every buffer that depends on the size of the data set, before any checkpoint is loaded."""

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Load what another run has learned; called after ``setup``, before any training.

        By default these are the tensors with the name and shape of the method's own; the encoder must be complete.

        Args:
            state: Tensors of that run's weights.

        Raises:
            UsageError: Its encoder is another one.
        """
        own = self.state_dict()
        taken = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
        lacking = [name for name in own if name.startswith("encoder.") and name not in taken]
        if lacking:
            shapes = [tuple(found[lacking[0]].shape) if lacking[0] in found else "none" for found in (own, state)]
            raise UsageError(
                f"its encoder is another one: {len(lacking)} tensors differ, first {lacking[0]}, here {shapes[0]}, "
                f"there {shapes[1]}; give the --encoder of that run"
            )
        self.load_state_dict(taken, strict=False)

    def begin_epoch(self, epoch: int, ranks: Ranks) -> EpochPlan:
        """Re-cluster, mine neighbours or merge before the epoch's first batch, and plan the contents of its batches."""
        return EpochPlan()

    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        """Return the scalar ``loss`` of a batch, and named terms to log; never called if the class does not train.

        The term ``occupancy`` is not a scalar: it holds the number (or share) of samples in each cluster, ``(K,)``, and
        is summed over batches and processes.

        Raises:
            NotImplementedError: The class does not train.
        """
        raise NotImplementedError(_no_step(self))

    def end_epoch(self, epoch: int, ranks: Ranks) -> Mapping[str, Tensor]:
        """Finish an epoch after its last batch, for instance by summing the counts of all processes.

        Returns:
            Terms that need the whole epoch, alike in every process; they are logged instead of the batches' terms of
                the same name.
        """
        return {}

    def finish(self, ranks: Ranks) -> None:
        """Finish the training after the last epoch, which may come early because of a time budget."""

    @abstractmethod
    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        """Predict for images.

        Args:
            images: ``(B, C, H, W)`` as ``training_step`` sees them.
            context: The same patches with their background, which the foreground head sees; the same tensor if images
                keep theirs.

        Returns:
            Probabilities ``(B, K, h, w)``, h = w = 1 unless ``per_pixel``, and an embedding ``(B, D)``; the probability
                of being an object and those of all sub-heads if the method has them.
        """

    def encoder_input(self, images: Tensor) -> Tensor:
        """Return the encoder's input for images ``(B, C, H, W)``, for evaluations of the encoder itself.

        In training mode, images are views of a training batch; in evaluation mode, as ``infer`` takes them.
        """
        return images

    def forward(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        """Call ``training_step``: DistributedDataParallel hooks ``forward`` only."""
        return self.training_step(batch, ranks)


def _no_step(method: Method) -> str:
    return f"{type(method).__name__} has no training_step: write one, or set 'trains = False' if it learns nothing"


@torch.no_grad()
def add_up(ranks: Ranks, *counters: Tensor) -> None:
    """Sum buffers in place over processes, each of which has counted its part of an epoch."""
    for counter in counters:
        counter.copy_(ranks.sum(counter))
