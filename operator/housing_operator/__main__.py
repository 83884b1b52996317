"""`python -m housing_operator`."""

import os
import sys

# The next pass over a model is its next try.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

from housing_operator.main import main

sys.exit(main())
