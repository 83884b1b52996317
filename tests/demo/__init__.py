"""`make demo` and `make demo-drift`: the main job on real listings, with every step said aloud."""
