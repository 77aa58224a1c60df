"""Regions of several sources at once: their order, what is left out, and what is passed on to the sources."""

from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.datasets.imagefolder import ImageFolder
from objdisc.errors import UsageError
from objdisc.imaging.masks import region_from_mask
from objdisc.io.run import Run
from objdisc.models.origin import IMAGENET_SUPERVISION, WeightsOrigin
from objdisc.objectness.base import decode_mask
from objdisc.objectness.segments import Segments
from objdisc.objectness.tree import Tree
from objdisc.objectness.union import Union
from objdisc.types import Region

SIDE = 64
SMALL: dict[str, Any] = {"encoder": "nin", "weights": "none"}


@pytest.fixture
def photos(tmp_path: Path) -> ImageFolder:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((SIDE, SIDE, 3), np.uint8))
    return ImageFolder(tmp_path)


def band(start: int, stop: int, score: float = 0.5) -> Region:
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[start:stop] = True
    return region_from_mask(mask, score=score)


def pixels(region: Region) -> NDArray[np.bool_]:
    assert region.mask is not None
    return decode_mask(region.mask)


def joined(monkeypatch: pytest.MonkeyPatch, photos: ImageFolder, **settings: Any) -> list[Region]:
    """Return the union of three parts of scenes and three nodes of trees, of which one repeats a part."""
    parts = [band(0, 10, 0.4), band(10, 20, 0.3), band(20, 30, 0.2)]
    nodes = [band(0, 9, 0.9), band(40, 50, 0.8), band(15, 25, 0.7)]
    monkeypatch.setattr(Segments, "regions", lambda *_: parts)
    monkeypatch.setattr(Tree, "regions", lambda *_: nodes)
    source = Union(**{**SMALL, **settings})
    return source.regions(photos, photos.samples[0], np.zeros((SIDE, SIDE, 3), np.uint8))


def rows_of(regions: list[Region]) -> list[int]:
    return [region.box[1] for region in regions]


def test_the_first_leads_then_come_the_others_then_the_rest_of_the_first(
    monkeypatch: pytest.MonkeyPatch, photos: ImageFolder
) -> None:
    assert rows_of(joined(monkeypatch, photos, leading=1)) == [0, 40, 15, 10, 20]
    assert rows_of(joined(monkeypatch, photos, leading=2)) == [0, 10, 40, 15, 20]
    assert rows_of(joined(monkeypatch, photos, leading=9)) == [0, 10, 20, 40, 15]
    assert rows_of(joined(monkeypatch, photos, leading=2, most=3)) == [0, 10, 40]
    assert rows_of(joined(monkeypatch, photos, leading=1, sources=("tree", "segments"))) == [0, 10, 20, 40, 15]


@pytest.mark.parametrize("most_shared", [0.0, 0.3, 0.6, 1.0])
def test_none_overlaps_an_earlier_one_by_more_than_allowed_and_scores_fall(
    monkeypatch: pytest.MonkeyPatch, photos: ImageFolder, most_shared: float
) -> None:
    regions = joined(monkeypatch, photos, max_overlap=most_shared, most=10)
    for one, other in combinations(map(pixels, regions), 2):
        assert (one & other).sum() <= most_shared * (one | other).sum()
    scores = [region.score for region in regions]
    assert scores == sorted(set(scores), reverse=True)
    assert scores[0] == 1
    assert min(scores) > 0
    assert len(regions) == {0.0: 4, 0.3: 4, 0.6: 5, 1.0: 6}[most_shared]


def test_it_wants_a_scene_as_long_as_one_of_its_sources_does(photos: ImageFolder, tmp_path: Path) -> None:
    source = Union(**SMALL)
    assert source.wants_scene
    with pytest.raises(UsageError, match="--scene none, makes them"):
        source.check(photos)
    before = source.fingerprint()
    scene = Run(tmp_path / "scene")
    scene.path.mkdir()
    scene.weights.write_bytes(b"weights")
    scene.things.write_text('{"things": {}}')
    source.read_scenes(scene, tmp_path / "maps", WeightsOrigin.imagenet())
    source.check(photos)
    assert source.fingerprint() != before
    assert source.supervision == IMAGENET_SUPERVISION, "the tree looks with random weights"
    given = Union(**SMALL, maps=tmp_path / "maps")
    assert not given.wants_scene
    assert given.in_process
    assert not Union(sources=("segments", "motion")).in_process
    with pytest.raises(UsageError, match="do not come from scenes"):
        Tree(**SMALL).read_scenes(scene, tmp_path, WeightsOrigin())


def test_the_key_tells_settings_and_sources_apart() -> None:
    others: list[dict[str, Any]] = [{}, {"leading": 3}, {"most": 9}, {"max_overlap": 0.1}, {"encoder": "googlenet"}]
    others += [{"sources": ("tree", "segments")}, {"sources": ("segments", "tree", "motion")}]
    keys = [str(Union(**{**SMALL, **other}).fingerprint()) for other in others]
    assert len(set(keys)) == len(others)
    assert keys[0] == str(Union(**SMALL).fingerprint())


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"leading": 0}, "start at 1"),
        ({"max_overlap": 2}, "from 0 to 1"),
        ({"sources": ("tree",)}, "at least two"),
        ({"sources": ("tree", "tree")}, "at least two different"),
        ({"sources": ("tree", "union")}, "no source of outlines"),
        ({"sources": ("tree", "windows")}, "no source of outlines"),
        ({"sources": ("tree", "folder")}, "needs settings of its own"),
        ({"sources": ("tree", "trees")}, "did you mean tree"),
        ({"sources": ("tree", "trap.Source")}, "add --allow-import"),
    ],
)
def test_what_cannot_be_joined_says_why(bad: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Union(**{**SMALL, **bad})
