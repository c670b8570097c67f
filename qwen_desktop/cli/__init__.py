"""The commands: ``launch`` decides cheaply between window and command, ``app`` holds the typer commands,
``chat`` one question and its answer, ``doctor`` the checks, ``console`` what a terminal is told.

Nothing here imports Qt; typer and rich are imported only once a command is wanted.
"""
