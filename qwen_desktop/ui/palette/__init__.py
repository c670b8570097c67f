"""The palette: one surface over the window for search and actions."""
