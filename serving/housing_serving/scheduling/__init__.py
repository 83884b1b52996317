"""When a request is classified: together with others, in a thread, or not at all."""
