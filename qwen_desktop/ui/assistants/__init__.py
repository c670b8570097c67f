"""The page of the assistants: cards, and one of them in full beside them.

``looks`` has what an assistant is called and drawn like everywhere in the window.
"""
