"""`python -m compiler VERB …`; see `python -m compiler --help`."""

import sys

from compiler.verbs import main

if __name__ == "__main__":
    sys.exit(main())
