"""Grading of a roll by four or ten points: rule sets, points, and the arithmetic as part of the result; and its cut. Pure."""

from pipeline.grading.cut_rules import CutProposal, CutRules
from pipeline.grading.cutting import propose_cut
from pipeline.grading.flaws import Flaw, severity
from pipeline.grading.points import Grade, Line, grade
from pipeline.grading.rules import Rules

__all__ = ["CutProposal", "CutRules", "Flaw", "Grade", "Line", "Rules", "grade", "propose_cut", "severity"]
