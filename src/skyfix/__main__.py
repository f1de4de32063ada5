"""`python -m skyfix` is the command line."""

from skyfix.cli import main

main()
