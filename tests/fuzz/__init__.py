"""Seeded fuzzing: short among the tests, long by hand."""
