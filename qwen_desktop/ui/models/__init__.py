"""The Models page: this computer, what is recommended for it, downloads, installed models, and the catalogue.

``page`` joins the parts; ``state`` is what they ask, ``download_starter`` the way from a Download button to a running
download, ``model_texts`` the sentences. ``controller`` holds what the window needs without the page; ``watch`` tells it
about downloads.
"""
