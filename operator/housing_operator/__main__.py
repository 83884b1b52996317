"""`python -m housing_operator`."""

import sys

from housing_operator.main import main

sys.exit(main())
