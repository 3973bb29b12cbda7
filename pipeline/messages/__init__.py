"""Everything the processes say to each other, as types."""
