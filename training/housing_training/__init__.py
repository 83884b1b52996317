"""The training program: one Job that turns listings into a registered model version."""
