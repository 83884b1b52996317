"""A fitted model as an ONNX graph, what lies beside it in a bundle, and what the graph answers."""
