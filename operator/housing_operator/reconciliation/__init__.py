"""Passes: which HousingModel is due for one, and what is written to the API server and MLflow in it."""
