"""What the four programs of housing-operator share: types, contracts, and the doors to storage and registry."""

import os
from importlib.metadata import version

# ONNX Runtime 1.29 and newer report to Microsoft unless this stands before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = version("housing-operator")
