"""The base of methods that cluster the training images themselves and predict others by the nearest one."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from objdisc.clustering.neighbors import nearest
from objdisc.errors import UsageError
from objdisc.methods.base import Method, Ranks
from objdisc.methods.support.rows import rows_to_cluster
from objdisc.models.encoder import Encoder
from objdisc.types import Prediction

_HALVES = 4  # of 16 bits, which float32 holds exactly


class TransductiveMethod(Method):
    """A method that clusters training images, and gives any other image the cluster of the nearest training image.

    A training image is recognised by its pixels, bit for bit, so that it gets exactly its own cluster in spite of
    rounding in its features; among images with equal pixels, the first one's cluster counts.

    A method of this kind defines what it clusters (``embed``) and how (``cluster``). If it overrides ``finish``, it
    calls ``remember`` with its clusters.

    Args:
        encoder: Maps images to features.
        num_clusters: K, at least 2.
    """

    remembered: ClassVar[tuple[str, ...]] = (
        "remembered_points",
        "remembered_clusters",
        "remembered_prints",
        "remembered_order",
    )
    """Buffers as long as the training set, which are allocated when there is something to remember."""

    remembered_points: Tensor
    remembered_clusters: Tensor
    remembered_prints: Tensor
    remembered_order: Tensor

    def __init__(self, encoder: Encoder, num_clusters: int) -> None:
        super().__init__(encoder, num_clusters)
        self.register_buffer("remembered_points", torch.zeros(0, 0))
        self.register_buffer("remembered_clusters", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("remembered_prints", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("remembered_order", torch.zeros(0, dtype=torch.int64))

    @property
    def exportable(self) -> bool:
        """False, since the prediction depends on whether an image is in the training set."""
        return False

    @abstractmethod
    def cluster(self, points: Tensor) -> Tensor:
        """Cluster the training images.

        Args:
            points: ``(n, D)`` float32 of the foreground rows, n >= K.

        Returns:
            ``(n,)`` int64 in [0, K).
        """

    @abstractmethod
    def embed(self, images: Tensor) -> Tensor:
        """Return the vectors to cluster, ``(B, D)`` float32, compared by Euclidean distance."""

    @torch.no_grad()
    def finish(self, ranks: Ranks) -> None:
        """Cluster the trained method's embeddings of the foreground, and remember the clusters.

        Raises:
            UsageError: There are fewer foreground patches than clusters.
        """
        rows = rows_to_cluster(ranks, self.num_clusters)
        points, prints = self.points_and_prints(ranks, rows)
        self.remember(points, prints, self.cluster(points))

    def points_and_prints(self, ranks: Ranks, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Encode rows once: their points ``(n, D)`` float32 and their fingerprints ``(n,)`` int64."""
        encoded = ranks.encode(self._points_beside_prints, rows)
        return encoded[:, :-_HALVES].contiguous(), _joined(encoded[:, -_HALVES:])

    def remember(self, points: Tensor, prints: Tensor, clusters: Tensor) -> None:
        """Store the clusters that are predicted from now on.

        Args:
            points: ``(n, D)`` float32 of the training images.
            prints: ``(n,)`` int64 fingerprints of the same.
            clusters: ``(n,)`` int64 in [0, K).
        """
        self.remembered_points = points.clone()
        self.remembered_clusters = clusters.to(points.device, torch.int64).clone()
        sorted_prints = prints.sort(stable=True)
        self.remembered_prints, self.remembered_order = sorted_prints.values, sorted_prints.indices

    @torch.no_grad()
    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        """Return the cluster of each image, one-hot, and the clustered vectors.

        Raises:
            UsageError: Nothing was clustered yet.
        """
        embedding = self.embed(images)
        clusters = self.remembered_clusters[self.nearest_remembered(images, embedding)]
        return Prediction(F.one_hot(clusters, self.num_clusters).float()[:, :, None, None], embedding)

    def nearest_remembered(self, images: Tensor, embedding: Tensor) -> Tensor:
        """Return the training image that each image equals, or is nearest to.

        Args:
            images: ``(B, C, H, W)``.
            embedding: ``(B, D)`` of these.

        Returns:
            ``(B,)`` int64 positions in the order of ``remember``.

        Raises:
            UsageError: Nothing was clustered yet.
        """
        if not len(self.remembered_clusters):
            raise UsageError("nothing was clustered yet: the training is not finished; go on with --resume RUN")
        found = nearest(embedding, self.remembered_points, 1, "euclidean")[0][:, 0]
        prints = fingerprints(images)
        place = torch.searchsorted(self.remembered_prints, prints).clamp_max(len(self.remembered_prints) - 1)
        known = self.remembered_prints[place] == prints
        return torch.where(known, self.remembered_order[place], found)

    def _points_beside_prints(self, images: Tensor) -> Tensor:
        return torch.cat([self.embed(images).float(), _halves(fingerprints(images))], dim=1)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        for name in self.remembered:
            saved = state_dict.get(prefix + name)
            if saved is not None:
                setattr(self, name, self.get_buffer(name).new_empty(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)


def fingerprints(images: Tensor) -> Tensor:
    """Hash the bits of images: hashes are equal for equal pixels, and practically never for others.

    Args:
        images: ``(B, C, H, W)`` floating.

    Returns:
        ``(B,)`` int64.
    """
    bits = (images.float().contiguous().flatten(1) + 0.0).view(torch.int32).long()  # + 0.0: no negative zero
    generator = torch.Generator().manual_seed(0)
    largest = torch.iinfo(torch.int64).max
    factors = torch.randint(-largest, largest, (bits.shape[1],), generator=generator) | 1
    return (bits * factors.to(bits.device)).sum(dim=1)  # modulo 2^64


def _halves(prints: Tensor) -> Tensor:
    """Split ``(B,)`` int64 into ``(B, 4)`` float32 of 16 bits each."""
    return torch.stack([(prints >> 16 * part) & 0xFFFF for part in range(_HALVES)], dim=1).float()


def _joined(halves: Tensor) -> Tensor:
    parts = halves.long()
    return sum((parts[:, part] << 16 * part for part in range(1, _HALVES)), start=parts[:, 0])
