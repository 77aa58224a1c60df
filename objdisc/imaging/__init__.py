"""Pixels: decoding of any common kind of file, label maps as runs and run-length masks, crops, text and colours."""
