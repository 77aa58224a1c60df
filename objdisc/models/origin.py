"""Where the weights of an encoder come from, and which labels they have seen, as typed facts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

IMAGENET_SUPERVISION = "ImageNet-1k class labels (1.28 million labelled images trained the encoder's weights)"

_NONE = "none"
_STARTED = " (started from "  # how version 0.1 ended its sentence


@dataclass(frozen=True)
class WeightsOrigin:
    """The origin of an encoder's weights before a run trained them.

    Attributes:
        source: ``random``; ``imagenet``; ``pretrained`` for published weights that have seen other labels, or none; or
            ``file``.
        supervision: The labels that the weights have seen, in words; ``none`` if none.
        path: The file; None for the other sources.
        init_from: Folder of the run whose weights were the start; None if a run began with the source itself.
        images: The images that weights without labels were trained on, in words; None for random weights and for those
            that have seen labels.
    """

    source: Literal["random", "imagenet", "pretrained", "file"] = "random"
    supervision: str = _NONE
    path: str | None = None
    init_from: str | None = None
    images: str | None = None

    @classmethod
    def imagenet(cls) -> Self:
        """Return the origin of ImageNet weights."""
        return cls("imagenet", IMAGENET_SUPERVISION)

    @classmethod
    def file(cls, path: Path) -> Self:
        """Return the origin of weights in a file that does not say what they were trained with."""
        return cls("file", f"whatever the weights in {path} were trained with", str(path))

    @property
    def pretrained(self) -> bool:
        """Whether the weights were learned before this run, with labels or without."""
        return self.source != "random" or self.init_from is not None

    @property
    def labels(self) -> str:
        """The labels that the weights have seen, in words; empty if none."""
        return "" if self.supervision == _NONE else self.supervision

    def __str__(self) -> str:
        """Say it in words, for reports and for the key ``supervision`` of ``metrics.json``."""
        said = self.supervision if self.images is None else f"{self.supervision} (self-supervised on {self.images})"
        return said if self.init_from is None else f"{said}{_STARTED}{self.init_from})"

    def to_metrics(self) -> dict[str, Any]:
        """Return what ``metrics.json`` holds: the sentence as ``supervision``, the facts as ``weights``."""
        return {"supervision": str(self), "weights": asdict(self)}

    @classmethod
    def from_metrics(cls, numbers: Mapping[str, Any]) -> Self:
        """Read the facts from ``metrics.json``, or from the sentence if version 0.1 wrote it."""
        facts = numbers.get("weights")
        if isinstance(facts, Mapping):
            known: dict[str, Any] = {name: facts[name] for name in cls.__dataclass_fields__ if name in facts}
            return cls(**known)
        labels, _, start = str(numbers.get("supervision", _NONE)).partition(_STARTED)
        source: Any = {_NONE: "random", IMAGENET_SUPERVISION: "imagenet"}.get(labels, "file")
        return cls(source, labels, init_from=start.removesuffix(")") or None)
