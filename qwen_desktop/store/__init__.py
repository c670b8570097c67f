"""What lies on the disk: the history (SQLite), what is attached to its messages, the settings (a commented TOML file).

``database`` opens, calls and reads (each connection in a ``lane``, a thread of its own), ``migrations`` number the
schema, ``conversations``, ``messages`` and ``search`` are pure functions over a connection, ``blobs`` keeps files by
their hash, ``settings_file`` reads and writes settings. Nothing here knows events, engines or windows.
"""
