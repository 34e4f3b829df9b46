"""`python -m compiler VERB …`; see `python -m compiler --help`."""

from compiler.cli import leave
from compiler.verbs import main

if __name__ == "__main__":
    leave(main())
