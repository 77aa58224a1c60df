"""Discover object categories in a folder of images; the same as `objdisc discover`."""

import sys

from objdisc.cli import main

if __name__ == "__main__":
    sys.exit(main(["discover", *sys.argv[1:]]))
