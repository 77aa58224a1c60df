"""Where weights come from: told in words to people, and read back as facts."""

from dataclasses import replace
from pathlib import Path

import pytest

from objdisc.models.origin import IMAGENET_SUPERVISION, WeightsOrigin

ORIGINS = [WeightsOrigin(), WeightsOrigin.imagenet(), WeightsOrigin.file(Path("w.pth")), WeightsOrigin("file", "none")]
ORIGINS += [replace(origin, init_from="runs/a (b)") for origin in ORIGINS]


@pytest.mark.parametrize("origin", ORIGINS, ids=str)
def test_what_is_written_is_read_back(origin: WeightsOrigin) -> None:
    numbers = origin.to_metrics()
    assert WeightsOrigin.from_metrics(numbers) == origin
    assert numbers["supervision"] == str(origin)


def test_pretrained_is_what_was_learned_before_with_labels_or_without() -> None:
    assert [origin.pretrained for origin in ORIGINS] == [False, True, True, True, True, True, True, True]
    assert [bool(origin.labels) for origin in ORIGINS[:4]] == [False, True, True, False]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("none", WeightsOrigin()),
        (IMAGENET_SUPERVISION, WeightsOrigin.imagenet()),
        ("none (started from runs/a)", WeightsOrigin(init_from="runs/a")),
        (f"{IMAGENET_SUPERVISION} (started from runs/a)", replace(WeightsOrigin.imagenet(), init_from="runs/a")),
        ("whatever the weights in w.pth were trained with", replace(WeightsOrigin.file(Path("w.pth")), path=None)),
    ],
)
def test_what_version_0_1_said_is_understood(sentence: str, expected: WeightsOrigin) -> None:
    assert WeightsOrigin.from_metrics({"supervision": sentence}) == expected
    assert str(expected) == sentence


def test_numbers_that_say_nothing() -> None:
    assert WeightsOrigin.from_metrics({}) == WeightsOrigin()
