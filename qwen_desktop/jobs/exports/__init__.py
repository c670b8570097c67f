"""Conversations as files: our own JSON, Markdown, HTML, PDF and plain text, made in the job worker."""
