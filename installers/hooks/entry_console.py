"""The console program: commands and workers."""

import sys

if sys.argv[1:2] == ["--multiprocessing-fork"]:  # py-cpuinfo starts processes on some systems
    import multiprocessing

    multiprocessing.freeze_support()

from qwen_desktop.__main__ import main

sys.exit(main())
