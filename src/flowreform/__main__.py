"""`python -m flowreform` is the command `flowreform`."""

from flowreform.cli import main

if __name__ == "__main__":
    main()
