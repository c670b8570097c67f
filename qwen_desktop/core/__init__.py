"""The words of the project: plain frozen data (msgspec Structs) and pure functions.

Nothing here opens a window, a socket or a model. Everything above may import it; it imports only msgspec,
platformdirs and the standard library.
"""
