"""What this machine is. ``probe`` never raises and never opens ggml itself: drivers crash, so a short-lived child asks.

What cannot be read is said to be unknown.
"""
