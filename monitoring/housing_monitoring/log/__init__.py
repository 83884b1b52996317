"""The prediction log: its files and rows, what a report reads of them, and how they are kept."""
