"""Search a run for what looks like a query image, or is typical of a cluster; the same as `objdisc retrieve`."""

import sys

from objdisc.cli import main

if __name__ == "__main__":
    sys.exit(main(["retrieve", *sys.argv[1:]]))
