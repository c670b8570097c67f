"""The Models page: this computer, what is recommended for it, downloads, installed models, and the catalogue.

``page`` joins the parts; ``getting`` is the way from a Download button to a running download; ``words`` has the
sentences; ``watch`` tells the rest of the window about downloads and lives without the page.
"""
