"""`python -m lakeward.cli`."""

from lakeward.cli import main

main()
