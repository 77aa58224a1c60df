"""What a run knows about itself: typed facts, written to and read from ``metrics.json`` here alone."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from objdisc.clustering.number import RecommendedNumber
from objdisc.errors import UsageError
from objdisc.io.files import read_json, write_json
from objdisc.io.run import Run
from objdisc.models.origin import WeightsOrigin
from objdisc.pipeline.provenance import Provenance


@dataclass(frozen=True)
class ObjectnessFacts:
    """What told a run where objects may be.

    Attributes:
        source: Short name.
        supervision: What people have told of the images, or its network was trained with; ``none`` if nothing.
    """

    source: str
    supervision: str


@dataclass(frozen=True)
class GrowthFacts:
    """What became of the categories of another run on the images of this one.

    Attributes:
        run: Folder of that run.
        known: Objects in each of its categories, of those that this run's training split holds, or a sample of them.
        new: Objects in each new category, likewise.
        vanished: Known categories that hold hardly any object here.
    """

    run: str
    known: Mapping[int, int]
    new: Mapping[int, int]
    vanished: Sequence[int] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what ``metrics.json`` holds of it."""
        known, new = ({str(cluster): count for cluster, count in part.items()} for part in (self.known, self.new))
        return {"from": self.run, "known": known, "new": new, "vanished": list(self.vanished)}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Self:
        """Read it back.

        Raises:
            KeyError: Something is missing.
            ValueError: A value is no number.
        """
        known, new = ({int(key): int(count) for key, count in facts[part].items()} for part in ("known", "new"))
        return cls(str(facts["from"]), known, new, tuple(int(cluster) for cluster in facts["vanished"]))


@dataclass(frozen=True)
class RunSummary:
    """What a run knows about itself.

    Attributes:
        split: Split that it was evaluated on; ``""`` where there are no splits.
        train_split: Split that it was trained on.
        seed: Random seed of the run.
        weights: What its encoder's weights were before the training.
        training_seconds: What the training took, all stages and what was done before an interruption included.
        seconds: What the whole took; None for a stage of a chain.
        cpu_seconds: Processor time of the whole without starting Python, with that of processes that loaded data, but
            of the first process alone where several trained; what was done before an interruption is included. None of
            a stage, and where an earlier version did not note it.
        provenance: On what it was made; likewise.
        encoder: Name of the encoder; ``""`` where an earlier version did not note it.
        method: Short name of the method; likewise.
        cluster_to_label: Label id that each cluster is read as; None without ground truth.
        cluster_names: Name of the class that each cluster is read as, by the same matching.
        objectness: What told where objects may be, and what supervision that carries; None where an earlier version
            did not note it.
        number: The number of clusters that was recommended, and its evidence; None where K was given.
        trained_objects: Objects that the training saw; None where an earlier version did not note it.
        stages: What each stage of a chain reached; empty for a single training.
        figures: The evaluation's figures, by their keys in ``metrics.json``.
        growth: What is known, new and vanished, of a run that was grown from another; None of any other.
    """

    split: str
    train_split: str
    seed: int
    weights: WeightsOrigin
    training_seconds: float
    seconds: float | None = None
    cpu_seconds: float | None = None
    provenance: Provenance | None = None
    encoder: str = ""
    method: str = ""
    cluster_to_label: Mapping[int, int] | None = None
    cluster_names: Mapping[int, str] | None = None
    objectness: ObjectnessFacts | None = None
    number: RecommendedNumber | None = None
    trained_objects: int | None = None
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    growth: GrowthFacts | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``metrics.json``."""
        facts: dict[str, Any] = {"split": self.split, "train_split": self.train_split, "seed": self.seed}
        facts |= {"encoder": self.encoder, "method": self.method, **self.weights.to_metrics(), **self.figures}
        for key, mapping in (("cluster_to_label", self.cluster_to_label), ("cluster_names", self.cluster_names)):
            if mapping is not None:
                facts[key] = {str(cluster): value for cluster, value in mapping.items()}
        if self.objectness is not None:
            facts["objectness"] = asdict(self.objectness)
        if self.number is not None:
            facts["recommended_clusters"] = self.number.to_json()
        if self.growth is not None:
            facts["growth"] = self.growth.to_json()
        if self.trained_objects is not None:
            facts["trained_objects"] = self.trained_objects
        facts["training_seconds"] = round(self.training_seconds, 1)
        facts |= {} if self.seconds is None else {"seconds": round(self.seconds, 1)}
        facts |= {} if self.cpu_seconds is None else {"cpu_seconds": round(self.cpu_seconds, 1)}
        facts |= {} if self.provenance is None else {"provenance": self.provenance.to_json()}
        return facts | ({"stages": dict(self.stages)} if self.stages else {})

    def write(self, run: Run) -> None:
        """Write ``metrics.json`` into a run's folder."""
        write_json(run.metrics, self.to_json())

    @classmethod
    def read(cls, run: Run) -> Self | None:
        """Read what a run noted; None where it was not evaluated yet.

        Raises:
            UsageError: ``metrics.json`` is damaged.
        """
        if not run.metrics.is_file():
            return None
        facts = read_json(run.metrics)
        try:
            trained_objects, made = facts.get("trained_objects"), facts.get("provenance")
            return cls(
                split=str(facts["split"]),
                train_split=str(facts["train_split"]),
                seed=int(facts["seed"]),
                weights=WeightsOrigin.from_metrics(facts),
                training_seconds=float(facts["training_seconds"]),
                seconds=_seconds_of(facts, "seconds"),
                cpu_seconds=_seconds_of(facts, "cpu_seconds"),
                provenance=None if made is None else Provenance.from_json(made),
                encoder=str(facts.get("encoder", "")),
                method=str(facts.get("method", "")),
                cluster_to_label=_labels_of(facts),
                cluster_names=_names_of(facts),
                objectness=_objectness_of(facts),
                number=_number_of(facts),
                trained_objects=None if trained_objects is None else int(trained_objects),
                stages=facts.get("stages") or {},
                figures=facts,
                growth=GrowthFacts.from_json(facts["growth"]) if "growth" in facts else None,
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"{run.metrics}: damaged; make it again with: objdisc discover --resume {run.path}"
            ) from error


def _seconds_of(facts: Mapping[str, Any], key: str) -> float | None:
    return None if facts.get(key) is None else float(facts[key])


def _objectness_of(facts: Mapping[str, Any]) -> ObjectnessFacts | None:
    found = facts.get("objectness")
    return None if found is None else ObjectnessFacts(str(found["source"]), str(found["supervision"]))


def _number_of(facts: Mapping[str, Any]) -> RecommendedNumber | None:
    found = facts.get("recommended_clusters")
    return None if found is None else RecommendedNumber.from_json(found)


def _labels_of(facts: Mapping[str, Any]) -> dict[int, int] | None:
    labels = facts.get("cluster_to_label")
    return None if labels is None else {int(cluster): int(label) for cluster, label in labels.items()}


def _names_of(facts: Mapping[str, Any]) -> dict[int, str] | None:
    """Read the classes' names; version 0.1 noted them with each matching, and which one it took."""
    if "cluster_to_label" not in facts:
        return None
    if "cluster_names" in facts:
        return {int(cluster): str(name) for cluster, name in facts["cluster_names"].items()}
    names = facts["pixels"]["hungarian"]["classes"] if facts.get("matching") == "hungarian" else facts["majority"]
    return {cluster: str(name) for cluster, name in enumerate(names) if name is not None}
