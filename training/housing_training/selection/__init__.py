"""Which model and which settings are best, by cross-validation on the training part."""
