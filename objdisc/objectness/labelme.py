"""Objectness from LabelMe's JSON."""

from objdisc.objectness.support.annotated import AnnotatedRegions


class Labelme(AnnotatedRegions):
    """Regions of LabelMe's JSON."""
