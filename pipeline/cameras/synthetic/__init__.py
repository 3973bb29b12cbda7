"""Woven cloth and its defects, drawn."""
