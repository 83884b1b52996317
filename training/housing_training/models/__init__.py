"""What a recipe makes: estimators on features, fitted and calibrated."""
