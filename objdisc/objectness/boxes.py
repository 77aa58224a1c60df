"""Objectness from CSV tables of boxes."""

from objdisc.objectness.support.annotated import AnnotatedRegions


class Boxes(AnnotatedRegions):
    """Regions of CSV tables of boxes."""
