"""What the four programs of housing-operator share: types, contracts, and the doors to storage and registry."""

from importlib.metadata import version

__version__ = version("housing-operator")
