"""The categories that a run gives to the objects of annotation files, by the objects' ids in these."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from objdisc.annotations.annotations import Annotations
from objdisc.export.objects import NamedObjects

UNASSIGNED = "unassigned"
"""Name for an object without a category: it is too small for a patch, rejected, or in an image that was not read."""


@dataclass(frozen=True, eq=False)
class Assigned:
    """The categories of objects.

    Attributes:
        names: Category id to name; ids begin at 1.
        objects: Name of a sample and source id of an object to its category id and confidence.
        counts: Number of objects asked for that have a category (True), and that have none (False).
    """

    names: Mapping[int, str]
    objects: Mapping[tuple[str, str], tuple[int, float]]
    counts: Counter[bool] = field(default_factory=Counter)

    @classmethod
    def of(cls, named: NamedObjects, annotations: Annotations) -> "Assigned":
        """Join a run's objects with their ids in the files; duplicate masks have one category."""
        found: dict[tuple[str, str], tuple[int, float]] = {}
        for row in named.object_rows.tolist():
            patch = named.store.patch(row)
            if patch.region.source_id is not None:
                found[patch.sample, patch.region.source_id] = (int(named.categories[row]), float(named.confidence[row]))
        for sample in {sample for sample, _ in found}:
            for other, first in annotations.same_places(sample).items():
                if (sample, first) in found:
                    found[sample, other] = found[sample, first]
        return cls({category.id: category.name for category in named.names.categories}, found)

    @property
    def unassigned_id(self) -> int:
        """Category id of objects without a category."""
        return max(self.names, default=0) + 1

    def get(self, sample: str | None, source_id: str) -> tuple[int, float] | None:
        """Return category id and confidence of an object, and count it; None if it has none."""
        found = None if sample is None else self.objects.get((sample, source_id))
        self.counts[found is not None] += 1
        return found

    def name_of(self, sample: str | None, source_id: str) -> str | None:
        """Return the name of an object's category, and count it; None if it has none."""
        found = self.get(sample, source_id)
        return None if found is None else self.names[found[0]]

    def all_names(self) -> dict[int, str]:
        """Return the categories, with ``UNASSIGNED`` if any object asked for has none."""
        return {**self.names, **({self.unassigned_id: UNASSIGNED} if self.counts[False] else {})}
