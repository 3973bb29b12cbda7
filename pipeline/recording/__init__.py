"""A line's pictures, motion, verdicts and events in MCAP files: written beside it by a process of its own, and read again."""
