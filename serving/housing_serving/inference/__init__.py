"""A model in memory: from listings to probabilities, and what each column contributes to them."""
