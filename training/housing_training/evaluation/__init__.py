"""How good a model is, how far chance could be the reason, and what it rests on."""
