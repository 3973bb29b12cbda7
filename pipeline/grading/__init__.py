"""Four-point grading of a roll: rule sets, points, and the arithmetic as part of the result. Pure."""

from pipeline.grading.points import Flaw, Grade, Line, grade, severity
from pipeline.grading.rules import Rules

__all__ = ["Flaw", "Grade", "Line", "Rules", "grade", "severity"]
