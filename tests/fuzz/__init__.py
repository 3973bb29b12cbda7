"""What comes from outside, broken by chance: each target has `fuzz(seed, count)`; `python -m tests.fuzz` runs them for long."""
