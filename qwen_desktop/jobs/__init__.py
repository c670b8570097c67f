"""The job worker: a process without a model for whatever would hold the window's interpreter lock.

``table`` names the jobs, ``client`` calls them, ``worker`` runs them.
"""
