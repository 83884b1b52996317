"""Which version answers: the fallback chain, where its versions come from, and what the pod says of it."""
