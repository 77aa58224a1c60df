"""Baselines of per-pixel methods: k-means on colours, positions or features of pixels, and an untrained network."""

from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from objdisc.clustering.kmeans import kmeans
from objdisc.clustering.neighbors import nearest_centroid
from objdisc.datasets.base import ImageDataset
from objdisc.errors import UnreadableImageError
from objdisc.inference.predict import Predictor
from objdisc.inference.tiling import SegmentSample, Tiling, segment_image
from objdisc.losses.kmeans_memory import squared_distances
from objdisc.methods.base import Method
from objdisc.models.encoder import Encoder
from objdisc.patches.store import PatchStore
from objdisc.pipeline.options import DiscoverOptions, build_method
from objdisc.types import Prediction, Sample, SegmentationMap

_IMAGES = 100  # that k-means sees, and of each so many pixels
_PIXELS = 200
_RESTARTS = 5


def pixel_baselines(
    options: DiscoverOptions, dataset: ImageDataset, store: PatchStore, tiling: Tiling
) -> Iterator[tuple[str, SegmentSample]]:
    """Fit each baseline on valid pixels of the training split, like the method.

    Args:
        options: Options of the run: K, network, seed.
        dataset: The training split.
        store: Its crops.
        tiling: How networks see full images.

    Yields:
        The name of each, and a function that segments an image by it.
    """
    yield "k-means on colour", _kmeans_of(options, dataset, _colors)
    yield "k-means on colour and position", _kmeans_of(options, dataset, _colors_and_places)
    features = _FeatureKMeans(build_method(options).encoder, options.k)
    features.fit(store, options)
    yield "k-means on the encoder's features", _by_network(features, options, tiling)
    yield "network that never learned", _by_network(build_method(options), options, tiling)


def _by_network(method: Method, options: DiscoverOptions, tiling: Tiling) -> SegmentSample:
    ask = Predictor(method, options.training)
    return lambda dataset, sample: segment_image(ask, dataset, sample, tiling)


def _colors(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(image.reshape(-1, image.shape[2]) / 255, np.float32)


def _colors_and_places(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the colour with column and row, each from 0 to 1 over the image."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width].reshape(2, -1) / [[max(height - 1, 1)], [max(width - 1, 1)]]
    return np.column_stack([_colors(image), x, y]).astype(np.float32)


def _kmeans_of(
    options: DiscoverOptions, dataset: ImageDataset, describe: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
) -> SegmentSample:
    """Run k-means on random pixels of random images."""
    rng = np.random.default_rng(options.training.seed)
    drawn = []
    for number in rng.permutation(len(dataset.samples))[:_IMAGES]:
        sample = dataset.samples[number]
        try:
            image, valid = dataset.read_image(sample), dataset.read_valid(sample).ravel()
        except UnreadableImageError:
            continue  # the store has named it
        drawn.append(describe(image)[rng.choice(np.flatnonzero(valid), min(_PIXELS, int(valid.sum())), replace=False)])
    points = torch.from_numpy(np.concatenate(drawn))
    centroids = kmeans(points, options.k, seed=options.training.seed, restarts=_RESTARTS)[0]

    def segment(dataset: ImageDataset, sample: Sample) -> SegmentationMap:
        image = dataset.read_image(sample)
        found = nearest_centroid(torch.from_numpy(describe(image)), centroids)[0]
        clusters = found.numpy().astype(np.int16).reshape(image.shape[:2])
        return SegmentationMap(sample.name, clusters, np.ones(clusters.shape, np.float32))

    return segment


class _FeatureKMeans(Method):
    """k-means on the feature vectors of a frozen encoder.

    Args:
        encoder: A network with feature maps.
        num_clusters: K.
        stride: Most pixels of the image, along each side, that one pixel of the feature map may stand for.
    """

    per_pixel: ClassVar[bool] = True
    trains: ClassVar[bool] = False
    centroids: Tensor

    def __init__(self, encoder: Encoder, num_clusters: int, stride: int = 8) -> None:
        super().__init__(encoder, num_clusters)
        self.stride = stride

    @torch.no_grad()
    def fit(self, store: PatchStore, options: DiscoverOptions) -> None:
        """Draw valid positions of random crops, and cluster their features."""
        rng = np.random.default_rng(options.training.seed)
        generator = torch.Generator().manual_seed(options.training.seed)
        training, encoder = options.training, self.encoder.eval()
        preprocess = training.preprocessing(encoder)
        drawn = []
        for row in rng.permutation(len(store))[:_IMAGES]:
            crop = torch.from_numpy(np.array(store.images[row]))[None]
            features = encoder.feature_map(preprocess(crop), self.stride)[0].float()  # (F, h, w)
            valid = nn.functional.adaptive_avg_pool2d(crop[..., -1].float(), features.shape[1])[0] > 127
            places = valid.flatten().nonzero()[:, 0]
            chosen = places[torch.randperm(len(places), generator=generator)[:_PIXELS]]
            drawn.append(features.flatten(1)[:, chosen].T)
        points = torch.cat(drawn)
        self.register_buffer("centroids", kmeans(points, self.num_clusters, seed=training.seed, restarts=_RESTARTS)[0])

    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        """Return a softmax over negative distances to the centroids, and the mean of each feature map ``(B, F)``."""
        features = self.encoder.feature_map(images, self.stride).float()  # (B, F, h, w)
        points = features.flatten(2).mT.flatten(0, 1)
        distances = squared_distances(points, self.centroids)
        probabilities = torch.softmax(-distances / distances.mean(), dim=1)
        batch, _, height, width = features.shape
        maps = probabilities.reshape(batch, height, width, self.num_clusters).permute(0, 3, 1, 2)
        return Prediction(maps, features.mean(dim=(2, 3)))
