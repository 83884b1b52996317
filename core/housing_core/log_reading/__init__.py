"""Reading the prediction log: its files and rows, and which predictions have a true price.

For the programs that read many rows at once; unlike the rest of the core it takes NumPy.
"""
