"""`python -m flowkeep` is `flowkeep`."""

from flowkeep.cli import main

main()
