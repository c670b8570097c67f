#!/usr/bin/env python3
"""Set up, run and test Qwen Desktop: ``python3 tools/dev.py COMMAND`` (run, test, long, setup, lint, bench, shots,
translations, clean-cache).

The Makefile calls this file, so a Windows without make has the same commands. Only the standard library is used.
This first page stays readable by very old Pythons, so that they can say what is wrong instead of a syntax error.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this check is what the file is for
    sys.exit(
        "Qwen Desktop needs Python 3.11 or newer; this is Python %d.%d. "  # noqa: UP031 - readable by old Pythons
        "Install a newer one and name it: make run PYTHON=python3.12 (or: python3.12 tools/dev.py run)."
        % sys.version_info[:2]
    )

from dev_steps import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
