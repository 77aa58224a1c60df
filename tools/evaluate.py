"""Score a finished run on a data set with ground truth; the same as `objdisc evaluate`."""

import sys

from objdisc.cli import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
