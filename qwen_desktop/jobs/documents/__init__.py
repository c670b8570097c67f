"""Documents to text: ``reading`` is the job, which has a short-lived process (``worker``) read each file; ``kinds``
tells what a file is, and there is one file for each reader. ``passages`` picks what matters of a long text."""
