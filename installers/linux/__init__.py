"""Linux: the installed tree, the Debian package, the AppImage, the Flatpak manifest, and what checks them.

Used as ``from linux import deb`` with ``installers/`` and ``tools/`` on the path.
"""
