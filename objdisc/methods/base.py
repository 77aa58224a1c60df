"""The one seam: what a method is to the trainer."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

import numpy as np
from torch import Tensor, nn

from objdisc.errors import UsageError
from objdisc.models.encoder import Encoder
from objdisc.types import Batch


class Views(Enum):
    """What a batch holds of each sample."""

    SINGLE = "single"
    AUGMENTED_PAIR = "augmented_pair"
    AFFINE_PAIR = "affine_pair"
    NEIGHBOR_PAIR = "neighbor_pair"
    """A view of the row and a view of one of its ``partners``."""


class Encode(Protocol):
    """Runs a module over the training set, in data set order, gathered across ranks, without gradients.

    Attributes:
        foreground: ``(N,)`` bool on the CPU, one for each row of the data set.
    """

    foreground: Tensor

    def __call__(self, module: nn.Module, rows: Tensor, view: int | None = None) -> Tensor:
        """Encode some rows.

        Args:
            module: Maps images ``(B, 3, H, W)`` to ``(B, D)``; run in evaluation mode.
            rows: ``(n,)`` int64 rows of the data set.
            view: None for the patches as they are, else the number of a random augmented view (the same number
                gives the same view again).

        Returns:
            ``(n, D)`` float32 on the training device.
        """
        ...


class Method(nn.Module, ABC):
    """A clustering method: an encoder, an objective, and cluster probabilities.

    The trainer calls ``setup`` once, then for each epoch ``begin_epoch`` and ``training_step`` for each batch, then
    ``finish``. A method holds no collectives and never sees a class label. Whatever must survive a resume is a
    parameter or a buffer.

    Args:
        encoder: Maps images to features.
        num_clusters: K, at least 2.
    """

    views: Views = Views.SINGLE
    per_pixel: ClassVar[bool] = False
    """Whether ``predict`` answers for each pixel of an image, not for it as a whole."""
    trains: ClassVar[bool] = True
    """Whether there is anything to learn step by step; otherwise the trainer runs no epoch."""
    default_stages: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType({})
    """Runs that make up the method where it is not told what to start from, as ``DiscoverOptions.stages`` has them."""
    counters: ClassVar[tuple[str, ...]] = ()
    """Buffers that count the epoch's samples of one process; the trainer sums them over processes."""

    def __init__(self, encoder: Encoder, num_clusters: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.num_clusters = num_clusters

    @property
    def num_views(self) -> int:
        """Views of a foreground sample that a batch holds."""
        return 1 if self.views is Views.SINGLE else 2

    def setup(self, num_samples: int) -> None:
        """Allocate every buffer that depends on the size of the data set, before any checkpoint is loaded."""

    def start_from(self, state: Mapping[str, Tensor]) -> None:
        """Take over what another run has learned; called after ``setup``, before any training.

        By default whatever has the name and shape of a tensor of one's own; the encoder must be there as a whole.

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

    def begin_epoch(self, epoch: int, encode: Encode) -> None:
        """Re-cluster, mine neighbours or merge, before the epoch's first batch."""

    def epoch_rows(self, generator: np.random.Generator) -> Tensor | None:
        """Lay out the epoch's samples; asked after ``begin_epoch``, in every process alike.

        Batches are cut from this order one behind the other, and each process takes a run of its own of a batch.

        Args:
            generator: Seeded by run and epoch; nothing else may be random here, or a resume would differ.

        Returns:
            ``(n,)`` int64 foreground rows on any device, n >= 1; a row that comes again is seen in another view. None:
            every foreground row once, shuffled.
        """
        return None

    def renewed(self) -> Sequence[nn.Parameter]:
        """Return the parameters that ``begin_epoch`` started anew: the optimiser forgets what it knew of them."""
        return ()

    def assignments(self) -> Tensor | None:
        """Return the cluster ``(N,)`` int64 of each row that this epoch learns from, -1 for none.

        Asked after ``begin_epoch``, and kept for the evaluation to compare afterwards. None if there are no such
        clusters.
        """
        return None

    def partners(self) -> Tensor | None:
        """Return the rows that a row may be paired with, ``(N, k)`` int64; for ``Views.NEIGHBOR_PAIR`` only.

        One of the k is drawn for each sample anew. A row of -1 is paired with itself; so are all rows where this is
        None.
        """
        return None

    def finish(self, encode: Encode) -> None:
        """Do what is left after the last epoch."""

    def rows_to_cluster(self, encode: Encode) -> Tensor:
        """Return the rows ``(n,)`` int64 of the foreground, in which K clusters are to be found.

        Raises:
            UsageError: There are fewer than K.
        """
        rows = encode.foreground.nonzero()[:, 0]
        if len(rows) < self.num_clusters:
            raise UsageError(f"--num-clusters {self.num_clusters}: there are only {len(rows)} foreground patches")
        return rows

    def encoder_input(self, images: Tensor, *, training: bool) -> Tensor:
        """Return what the encoder is given of images ``(B, C, H, W)``, for readings that look into the encoder.

        Args:
            images: As ``training_step`` and ``predict`` take them.
            training: Whether they are views of a training batch.
        """
        return images

    @abstractmethod
    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Return the scalar ``loss`` of a batch and named terms to log."""

    @abstractmethod
    def predict(self, images: Tensor) -> Tensor:
        """Return cluster probabilities ``(B, K, h, w)`` float32; h = w = 1 for patches."""

    def predict_subheads(self, images: Tensor) -> Tensor | None:
        """Return the probabilities ``(S, B, K)`` of all sub-heads that ``predict`` chose among; None if it had one."""
        return None

    @abstractmethod
    def embed(self, images: Tensor) -> Tensor:
        """Return the ``(B, D)`` float32 embedding that retrieval and neighbours use."""

    def occupancy(self) -> Tensor | None:
        """Return the share ``(K,)`` of the epoch's samples in each cluster; None if the method does not count them."""
        return None

    def foreground_probability(self, images: Tensor) -> Tensor | None:
        """Return the ``(B,)`` probability that a patch holds an object; None if the method learns no such head."""
        return None

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Call ``training_step``: DistributedDataParallel hooks ``forward`` only."""
        return self.training_step(batch)


class ImageFunction(nn.Module):
    """A function of images in the form that ``Encode`` takes, which switches the method it is of to evaluation."""

    def __init__(self, method: Method, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._method, self._function = method, function

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` images as the function does."""
        return self._function(images)
