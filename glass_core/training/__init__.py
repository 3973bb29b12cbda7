"""The training of GLASS."""
