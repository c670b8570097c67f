"""What answers on this computer: ``local`` is the engine as the app sees it, ``worker`` the child process behind it.

Only ``llama`` and ``llama_context`` touch llama_cpp, and only inside the worker.
"""
