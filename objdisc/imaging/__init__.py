"""Pixels: decoding of common image formats, label maps as runs and run-length masks, crops, text and colours."""
