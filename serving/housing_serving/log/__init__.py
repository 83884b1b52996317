"""The prediction log and the feedback beside it: their rows, and the thread that writes them."""
