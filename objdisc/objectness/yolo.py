"""Objectness from YOLO's text files."""

from objdisc.objectness.support.annotated import AnnotatedRegions


class Yolo(AnnotatedRegions):
    """Regions of YOLO's text files."""
