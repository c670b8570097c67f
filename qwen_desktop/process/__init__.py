"""Child processes: frames on their pipes, how they are started and watched, and how their endings are classified.

Shared by the engine worker and the job worker; knows neither models nor jobs.
"""
