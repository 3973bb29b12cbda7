"""Scores and maps held against labels and masks."""
