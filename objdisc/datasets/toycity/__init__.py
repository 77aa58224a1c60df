"""The toy city: a generated street set in Cityscapes layout, for a first try and for the tests."""

from objdisc.datasets.toycity.generate import generate_toy_city, render_frame, write_frame

__all__ = ["generate_toy_city", "render_frame", "write_frame"]
