"""Writing categories into the annotation files that regions came from, one format a module."""
