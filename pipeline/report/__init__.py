"""The roll report: one page that shows what was inspected, what was found, and by what."""

from pipeline.report.black_boxes import show_box
from pipeline.report.page import issue_report, write_page
from pipeline.report.truth import Comparison, Injected, compare

__all__ = ["Comparison", "Injected", "compare", "issue_report", "show_box", "write_page"]
