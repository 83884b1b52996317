"""Files → typed rows with their prices and classes, on their side of the split."""
