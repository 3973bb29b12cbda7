"""What this machine has, and whether a line can run on it."""
