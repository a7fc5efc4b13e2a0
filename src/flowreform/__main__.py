"""`python -m flowreform` is the command `flowreform`."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the current folder: a file in it is nobody's module, whatever its name

from flowreform.cli import main

if __name__ == "__main__":
    main()
