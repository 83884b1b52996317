"""What requests and answers hold: listings, tensors and prices in, predictions and descriptions out. Pure."""
