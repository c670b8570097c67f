"""The windowed program: what a double click starts."""

import sys

from qwen_desktop.__main__ import window

sys.exit(window())
