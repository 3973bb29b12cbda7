"""Everything the processes say to each other, as types: one file an idea, imported by its name."""
