"""Objectness from COCO's JSON: instances, or the results of a detector."""

from objdisc.objectness.support.annotated import AnnotatedRegions


class Coco(AnnotatedRegions):
    """Masks or boxes of COCO JSON files."""
