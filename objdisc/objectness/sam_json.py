"""Objectness from the masks that Segment Anything made: a JSON file a picture."""

from objdisc.objectness.annotated import AnnotatedRegions


class SamJson(AnnotatedRegions):
    """Masks of Segment Anything, which overlap and nest; the score is predicted IoU times stability.

    Args:
        min_score: Leave out masks of a lower score, 0 to 1.
        min_share: Leave out masks that cover less than this share of their image.
        max_share: Leave out masks that cover more than this share: stuff such as road and sky.
        max_overlap: Leave out a mask of which more than this share lies in a larger one: parts, and all but one of
            several almost equal masks; 1 leaves out none.
    """

    def __init__(
        self, min_score: float = 0.0, min_share: float = 0.0, max_share: float = 1.0, max_overlap: float = 1.0
    ) -> None:
        super().__init__(min_score, min_share, max_share, max_overlap)

    @property
    def supervision(self) -> str:
        """What the network that made the masks was trained with."""
        return "masks of Segment Anything, which was trained with masks without classes"
