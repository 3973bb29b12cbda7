"""Grading of a roll by four or ten points: rule sets, points, and the arithmetic as part of the result. Pure."""

from pipeline.grading.flaws import Flaw, severity
from pipeline.grading.points import Grade, Line, grade
from pipeline.grading.rules import Rules

__all__ = ["Flaw", "Grade", "Line", "Rules", "grade", "severity"]
