"""Seeded fault schedules against the line's real stages in one process, and an independent check of what came of them."""
