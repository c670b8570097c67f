"""The Settings page, generated from ``core.settings.declared()``: nothing here names a single setting.

``page`` has the list and the search, ``section`` one page of rows, ``rows`` a row, ``controls`` a control a kind.
"""
