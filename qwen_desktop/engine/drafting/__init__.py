"""Guessing the next tokens of an answer, to verify them together. Pure: knows tokens and seconds, not llama.cpp."""
