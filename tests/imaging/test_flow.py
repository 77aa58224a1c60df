"""Motion between frames: against textures that are moved by a known homography and a known shift."""

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.imaging.flow import frame_motion, places

SIZE = (160, 120)
CAMERA = np.array([[1.01, 0.01, 2.5], [-0.008, 1.005, -1.5], [1e-5, 0, 1]])


def texture(seed: int) -> NDArray[np.uint8]:
    small = np.random.default_rng(seed).integers(0, 256, (20, 27, 3), np.uint8)
    return np.asarray(cv2.resize(small, SIZE, interpolation=cv2.INTER_CUBIC), np.uint8)


def projected() -> NDArray[np.float32]:
    where = places(SIZE[1], SIZE[0])
    return np.asarray(cv2.perspectiveTransform(where, CAMERA), np.float32) - where


def test_what_the_camera_does_is_the_homography_and_nothing_is_left() -> None:
    image = texture(0)
    other = np.asarray(cv2.warpPerspective(image, CAMERA, SIZE, borderMode=cv2.BORDER_REPLICATE), np.uint8)
    found = frame_motion(image, other)
    assert found is not None
    inner = (slice(10, -10), slice(10, -10))
    assert np.abs(found.camera - projected())[inner].max() < 0.3
    assert np.median(np.linalg.norm(found.rest, axis=2)[inner]) < 0.2
    back = found.moved(np.zeros_like(found.rest)).astype(int)
    assert np.abs(back - image)[inner].mean() < 12


def test_what_moves_otherwise_is_left() -> None:
    image = texture(0)
    image[40:80, 60:110] = texture(1)[40:80, 60:110]
    behind = np.asarray(cv2.warpPerspective(texture(0), CAMERA, SIZE, borderMode=cv2.BORDER_REPLICATE), np.uint8)
    behind[44:84, 66:116] = texture(1)[40:80, 60:110]  # 6 to the right and 4 down
    found = frame_motion(image, behind)
    assert found is not None
    rest = found.rest[48:72, 70:100].reshape(-1, 2).mean(axis=0)
    expected = np.array([6, 4]) - projected()[48:72, 70:100].reshape(-1, 2).mean(axis=0)
    np.testing.assert_allclose(rest, expected, atol=0.5)


def test_pictures_of_different_things_follow_no_camera() -> None:
    assert frame_motion(texture(0), texture(2)) is None
