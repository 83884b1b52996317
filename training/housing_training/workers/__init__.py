"""Who does the work of a training: its own process, or several pods."""
