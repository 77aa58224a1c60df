"""``python -m objdisc``: the same as the console command."""

import sys

from objdisc.cli import main

if __name__ == "__main__":
    sys.exit(main())
