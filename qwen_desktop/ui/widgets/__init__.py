"""Reusable widgets. They know the theme and no service.

Each paints from roles of ``tokens.json``, has an accessible name and a target of at least 28 px.
"""
