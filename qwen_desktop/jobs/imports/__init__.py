"""Readers of files with conversations: our own form, and those of other programs."""
