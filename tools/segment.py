"""Segment a folder of images with a finished run; the same as `objdisc segment`."""

import sys

from objdisc.cli import main

if __name__ == "__main__":
    sys.exit(main(["segment", *sys.argv[1:]]))
