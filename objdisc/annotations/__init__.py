"""Masks, boxes and classes that people have: one format a module; regions for anybody, classes for evaluation alone."""
