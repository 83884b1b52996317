"""The prediction API: an HTTP server for one track of one HousingModel."""

import os

# Before numpy is imported: the threads of its linear algebra, which nothing here uses, would take
# memory, and a process with threads cannot safely fork.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
