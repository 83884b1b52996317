"""What MLflow keeps of a version: the model, what it was made with, figures and card."""
