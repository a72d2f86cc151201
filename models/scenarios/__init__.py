"""Scenarios: one language for training data, tests, benchmarks and demos."""
