"""Qwen Desktop: a private assistant that runs quantized Qwen models on the user's own computer.

Layers (imports go down only): ``ui, cli -> services -> jobs -> engine, hub, store, hardware -> process -> core``.
``bootstrap`` joins them; ``__main__`` decides which face or worker this process is.
"""

__version__ = "0.1.0"
