"""How messages travel between the processes of a line."""
