"""DeepCluster: Caron, Bojanowski, Joulin, Douze, ECCV 2018 (https://arxiv.org/abs/1807.05520)."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from objdisc.clustering.projections import pca_whitening
from objdisc.errors import UsageError
from objdisc.methods.base import EpochPlan, Ranks, Views
from objdisc.methods.support.pseudolabels import PseudoLabelMethod, encode_finite
from objdisc.models.encoder import Encoder
from objdisc.models.sobel import sobel
from objdisc.types import Batch

_HEAD_SCALE = 0.01


class DeepCluster(PseudoLabelMethod):
    """Alternate between clustering the features of the whole set and training on the clusters as if they were classes.

    Before each epoch the features of all images are whitened by principal components, brought to unit length and
    clustered by k-means. The epoch then trains the encoder, with a new linear layer, to classify the clusters; images
    are drawn so that each cluster is seen equally often.

    The encoder's output is clustered; the published code takes its last layer before the rectifier. Beyond the paper,
    ``pca_samples`` above 0 finds the components on only some of the images, ``prediction_dimensions`` above 0 uses
    fewer components for the prediction than for the training, and ``keep_top_layer`` keeps the classifier's weights
    between epochs.

    Args:
        encoder: Maps images to features.
        num_clusters: K, at least 2: the predicted clusters, by k-means on the last features.
        overclusters: Clusters that the encoder learns to classify; the paper uses 10,000 for the 1,000 classes of
            ImageNet.
        dimensions: Principal components that are clustered; fewer if there are fewer features or images.
        prediction_dimensions: Principal components in which the K predicted clusters are found; 0 takes all
            ``dimensions``. K components are enough to separate K clusters, and each further one, whitened, has the same
            weight as these.
        pca_samples: Most images that the components are found on; 0 takes all, as the paper does.
        sobel: Whether the network sees horizontal and vertical derivatives of brightness instead of colour.
        keep_top_layer: Whether the linear layer is kept between epochs, although the clusters are renumbered.
        iterations: Most iterations of k-means in an epoch.
        restarts: Starts of the final k-means; the lowest inertia wins.
        seed: Random seed of clusterings and new layers.
    """

    renamed: ClassVar[Mapping[str, str]] = {"answer_dimensions": "prediction_dimensions"}
    views = Views.SINGLE

    projection: Tensor
    offset: Tensor

    def __init__(
        self,
        encoder: Encoder,
        num_clusters: int,
        *,
        overclusters: int = 100,
        dimensions: int = 256,
        prediction_dimensions: int = 0,
        pca_samples: int = 0,
        sobel: bool = False,
        keep_top_layer: bool = False,
        iterations: int = 20,
        restarts: int = 10,
        seed: int = 0,
    ) -> None:
        dimensions = min(dimensions, encoder.num_features)
        super().__init__(
            encoder,
            num_clusters,
            overclusters=overclusters,
            clusterings=1,
            embedding_dim=dimensions,
            iterations=iterations,
            restarts=restarts,
            seed=seed,
        )
        if prediction_dimensions < 0 or pca_samples < 0:
            raise UsageError("deepcluster: prediction_dimensions and pca_samples start at 0")
        self.prediction_dimensions = prediction_dimensions or dimensions
        self.pca_samples, self.sobel, self.keep_top_layer = pca_samples, sobel, keep_top_layer
        self.head = nn.Linear(encoder.num_features, overclusters)
        self.register_buffer("projection", torch.zeros(dimensions, encoder.num_features))
        self.register_buffer("offset", torch.zeros(dimensions))

    @torch.no_grad()
    def begin_epoch(self, epoch: int, ranks: Ranks) -> EpochPlan:
        """Cluster all images again, and start a new top layer."""
        rows = ranks.foreground.nonzero()[:, 0]
        _, found = self.cluster(self.prepare(ranks, rows, final=False), epoch)
        self.relabel(rows, [found])
        if not self.keep_top_layer:
            drawn = torch.randn(self.head.weight.shape, generator=torch.Generator().manual_seed(self.seed + epoch))
            self.head.weight.copy_(_HEAD_SCALE * drawn)
            self.head.bias.zero_()
        # as many rows as there are objects, equally many of each cluster that has any
        order = torch.from_numpy(uniform_over_clusters(self.targets[0].cpu().numpy(), ranks.generator))
        reset = () if self.keep_top_layer else tuple(self.head.parameters())
        return EpochPlan(rows=order, reset=reset, assignments=self.targets[0])

    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        """Return the cross-entropy of classifying the clusters."""
        images, rows = batch.views[0][batch.foreground], batch.index[batch.foreground]
        features, targets = self.features(images), self.targets[0, rows]
        with torch.autocast(features.device.type, enabled=False):
            logits = self.head(features)  # (B, overclusters)
            loss = F.cross_entropy(logits, targets)
        return self.terms(loss, (logits.argmax(1) == targets).float().mean())

    def prepare(self, ranks: Ranks, rows: Tensor, *, final: bool) -> Tensor:
        """Whiten the encoder's current features, ``(n, dimensions)`` of unit length."""
        features = encode_finite(ranks, self.features, rows)
        few = self.pca_samples or len(features)
        order = torch.randperm(len(features), generator=torch.Generator().manual_seed(self.seed))
        sample = features if few >= len(features) else features[order[:few].to(features.device)]
        projection, offset = pca_whitening(sample, len(self.projection))
        self.projection.copy_(projection)
        self.offset.copy_(offset)
        if final:
            self.projection[self.prediction_dimensions :] = 0
            self.offset[self.prediction_dimensions :] = 0
        return self.whitened(features)

    def embed(self, images: Tensor) -> Tensor:
        """Return the vectors to cluster, ``(B, dimensions)`` float32 of unit length."""
        return self.whitened(self.features(images))

    def whitened(self, features: Tensor) -> Tensor:
        """Project ``(B, F)`` features as the last clustering did, and bring them to unit length."""
        with torch.autocast(features.device.type, enabled=False):
            return F.normalize(features.float() @ self.projection.T + self.offset, dim=1)

    def features(self, images: Tensor) -> Tensor:
        """Return the encoder's features ``(B, F)`` float32."""
        features: Tensor = self.encoder(self.encoder_input(images)).float()
        return features

    def encoder_input(self, images: Tensor) -> Tensor:
        """Return derivatives instead of colour if ``sobel`` is set."""
        return sobel(images) if self.sobel else images


def uniform_over_clusters(targets: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw rows so that every non-empty cluster appears equally often; a small one repeats its rows.

    Args:
        targets: ``(N,)`` int64 clusters, below 0 for rows that are never drawn.
        generator: Source of all draws.

    Returns:
        ``(n,)`` int64 shuffled rows, n the number of rows that have a cluster.
    """
    rows = np.flatnonzero(targets >= 0)
    sizes = np.unique(targets[rows], return_counts=True)[1]
    members = np.split(rows[np.argsort(targets[rows], kind="stable")], np.cumsum(sizes)[:-1])
    share = -(-len(rows) // len(members))
    drawn = [generator.choice(part, share, replace=share > len(part)) for part in members]
    return generator.permutation(np.concatenate(drawn))[: len(rows)]
