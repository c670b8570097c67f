"""What conversations have evaluated, on the disk: a conversation that is returned to is not read again.

``files`` is the form on the disk and knows no llama.cpp, so that the app can tell its size, forget and clear.
``states`` cuts llama.cpp's states into rows of tokens and puts them together again. ``writer`` is the thread that
writes and reads, and ``cache`` says what is kept and when.
"""
