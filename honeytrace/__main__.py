"""`python -m honeytrace` is the command `honeytrace`."""

import sys

from honeytrace.cli import main

if __name__ == "__main__":
    sys.exit(main())
