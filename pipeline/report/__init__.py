"""The roll report: one page that shows what was inspected, what was found, and by what; imported when it is asked for."""

from typing import TYPE_CHECKING

from glass_core.lazy import lazy_exports

if TYPE_CHECKING:
    from pipeline.report.black_boxes import show_box
    from pipeline.report.exporting import export_crops
    from pipeline.report.kinds import propose_kinds
    from pipeline.report.page import issue_report, write_page
    from pipeline.report.truth import Comparison, Injected, compare
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "Comparison": "truth", "Injected": "truth", "compare": "truth", "export_crops": "exporting", "issue_report": "page",
            "propose_kinds": "kinds", "show_box": "black_boxes", "write_page": "page",
        },
    )  # fmt: skip

__all__ = ["Comparison", "Injected", "compare", "export_crops", "issue_report", "propose_kinds", "show_box", "write_page"]
