"""Problems of annotations, in lines for people: each reason with its count and its first example."""

from collections import Counter
from collections.abc import Iterable, Sequence

from objdisc.annotations.annotations import Annotations
from objdisc.types import Sample

Note = tuple[str, int, str]
"""A reason, its count, and its first example."""


def notes_of(annotations: Annotations, samples: Sequence[Sample], later: Iterable[tuple[str, str]] = ()) -> list[Note]:
    """List what was left out, was read differently from how it is written, or could not be matched with the images.

    Args:
        annotations: Annotations of the split.
        samples: The split's images.
        later: Problems that only the images' sizes revealed: reason and example of each.
    """
    matches = annotations.matches
    found = [*annotations.problems()]
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for reason, example in later:
        counts[reason] += 1
        examples.setdefault(reason, example)
    found += [(reason, count, examples[reason]) for reason, count in counts.items()]
    unnamed = [sample.name for sample in samples if sample.name not in matches.number_of]
    listed = [
        ("names that fit several images of the data set (left out)", matches.ambiguous),
        ("images that another entry already names (the first entry is taken)", matches.claimed),
        ("images without annotations (left out)", unnamed),
    ]
    if not samples[0].split:  # of a split, those of the others are not there either
        listed.append(("annotated images that are missing (left out)", matches.absent))
    return found + [(reason, len(names), names[0]) for reason, names in listed if names]


def in_one_line(note: Note) -> str:
    """Write a note as one line."""
    reason, count, example = note
    return f"{'once' if count == 1 else f'{count} times'}: {reason}; the first: {example}"
