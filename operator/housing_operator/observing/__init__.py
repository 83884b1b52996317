"""A look at one HousingModel: its objects and pods, and its versions in MLflow, as an Observation."""
