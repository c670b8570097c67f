"""The use cases: async, no Qt, no typer. Each service gets what it needs by constructor and tells what happened
through ``events``; the window, the command line and later the API server are faces of the same services.
"""
