"""What lies on the disk: the history (SQLite, one thread owns the connection) and the settings (a commented TOML file).

``database`` opens and calls, ``migrations`` number the schema, ``conversations`` and ``messages`` are pure functions
over a connection, ``settings_file`` reads and writes settings. Nothing here knows events, engines or windows.
"""
