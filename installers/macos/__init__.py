"""macOS: the application bundle, its icon, the disk image, and the steps of signing and notarisation.

Used as ``from macos import app`` with ``installers/`` and ``tools/`` on the path. Not yet run on a Mac.
"""
