"""Train on a folder of images, without pictures; the same as `objdisc train`."""

import sys

from objdisc.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
