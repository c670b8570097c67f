"""A message's text as blocks: the window's model of what it shows, without Qt.

``blocks`` is the model; ``parser`` (with ``inline`` and ``rules``) makes it of Markdown, ``growing`` of a text that
still grows, ``highlight`` colours its code, and ``rendering`` are the jobs. The parser takes long to import: nothing is
imported here.
"""
