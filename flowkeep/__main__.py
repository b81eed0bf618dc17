"""`python -m flowkeep` is `flowkeep`."""

from flowkeep.cli import main

if __name__ == "__main__":
    main()
