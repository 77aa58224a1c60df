"""Objectness from MegaDetector's JSON."""

from objdisc.objectness.support.annotated import AnnotatedRegions


class Megadetector(AnnotatedRegions):
    """Regions of MegaDetector's JSON; see ``AnnotatedRegions`` for what may be left out.

    Args:
        min_score: Leave out regions of a lower score, 0 to 1; those without one have 1.
        min_share: Leave out regions that cover less than this share of their image.
        max_share: Leave out regions that cover more than this share.
        max_overlap: Leave out a region of which more than this share lies in a larger one; 1 leaves out none.
    """

    def __init__(
        self, min_score: float = 0.2, min_share: float = 0.0, max_share: float = 1.0, max_overlap: float = 1.0
    ) -> None:
        super().__init__(min_score, min_share, max_share, max_overlap)
