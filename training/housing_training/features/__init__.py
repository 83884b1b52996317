"""Typed rows → numbers that an estimator takes: crosses, feature hashing, target encoding."""
