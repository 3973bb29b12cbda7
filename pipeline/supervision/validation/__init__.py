"""Everything about a line that can be known without starting it, one finding a line."""
