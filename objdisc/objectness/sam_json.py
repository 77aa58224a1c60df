"""Objectness from JSON files of masks that Segment Anything made."""

from objdisc.objectness.support.annotated import AnnotatedRegions


class SamJson(AnnotatedRegions):
    """Masks of Segment Anything, which overlap and nest; the score is predicted IoU times stability."""

    @property
    def supervision(self) -> str:
        """What the network that made the masks was trained with."""
        return "masks of Segment Anything, which was trained with masks without classes"
