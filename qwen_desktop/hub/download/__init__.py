"""The downloader: ``job`` fetches a model, ``file`` one file of it by several streams into a ``part``, from the best of
the ``sources`` (``scores`` knows which), with a ``journal`` of what is there; ``hashing`` follows the bytes, and
``finish`` gives verified files their names."""
