"""Windows: the installer for one user (NSIS), the portable ZIP, the icon, the programs' version resource and manifest.

Used as ``from windows import nsis`` with ``installers/`` and ``tools/`` on the path.
"""
