"""Runs before the app: programs that it starts (browsers, its own workers) get the user's environment, not ours.

The bootloader points LD_LIBRARY_PATH at our folder and marks the process; the loader has read the first already, so
both can be taken back. A worker's bootloader sets them again for itself.
"""

import os
import sys

if sys.platform.startswith("linux"):
    before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    if before is None:
        os.environ.pop("LD_LIBRARY_PATH", None)
    else:
        os.environ["LD_LIBRARY_PATH"] = before
    for name in [name for name in os.environ if name.startswith("_PYI_")]:
        del os.environ[name]
