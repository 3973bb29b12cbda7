"""The roll report: one page that shows what was inspected, what was found, and by what."""

from pipeline.report.page import issue_report, write_page
from pipeline.report.truth import Comparison, Injected, compare

__all__ = ["Comparison", "Injected", "compare", "issue_report", "write_page"]
