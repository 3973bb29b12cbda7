"""The roll report: one page that shows what was inspected, what was found, and by what; imported when it is asked for."""

from typing import TYPE_CHECKING

from glass_core.lazy import lazy_exports

if TYPE_CHECKING:
    from pipeline.report.black_boxes import show_box
    from pipeline.report.page import issue_report, write_page
    from pipeline.report.truth import Comparison, Injected, compare
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "Comparison": "truth", "Injected": "truth", "compare": "truth", "issue_report": "page", "show_box": "black_boxes",
            "write_page": "page",
        },
    )  # fmt: skip

__all__ = ["Comparison", "Injected", "compare", "issue_report", "show_box", "write_page"]
