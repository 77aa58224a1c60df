"""Write a finished run's predictions in other programs' formats; the same as `objdisc export`."""

import sys

from objdisc.cli import main

if __name__ == "__main__":
    sys.exit(main(["export", *sys.argv[1:]]))
