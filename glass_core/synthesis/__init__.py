"""Synthetic defects on good cloth: LAS of the paper, and faults of weaving."""
