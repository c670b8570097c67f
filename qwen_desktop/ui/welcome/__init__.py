"""The welcome page: what this is, what is ready, where models come from. Shown at the first start and by F1."""
