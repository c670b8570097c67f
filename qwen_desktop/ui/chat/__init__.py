"""The chat page: side list, header, transcript, composer and status line.

``page`` joins them with the services; ``transcript`` (with ``blocks*``) paints the messages; the rest are its parts.
"""
