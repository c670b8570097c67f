"""The window: the only folder that imports Qt and qasync.

``main_window`` is the navigation shell, ``startup`` (with ``bootstrap``) starts it; ``chat``, ``settings`` and
``welcome`` are its pages; ``widgets`` are reusable and know no service; ``theme`` and ``icons`` give colours and signs.
"""
