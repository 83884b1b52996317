"""The HTTP API: a module for each part of it, and the description of all."""
