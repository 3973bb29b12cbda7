"""Seeded faults on a live line of real processes, and an independent check of what came of them."""
