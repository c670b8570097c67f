"""Formulas: LaTeX to outlines that can be filled at any size, without Qt.

``data`` is what comes of one; ``latex`` turns what models write into what latex2mathml knows, ``mathml`` mends its
result for ziamath, ``font`` is ziamath's font with our bounds, and ``rendering`` is the job. The libraries take long to
import: nothing is imported here.
"""
