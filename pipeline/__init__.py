"""The line: cameras, worker, decision, record, and what watches over them. Importing this alone loads none of it."""

from typing import TYPE_CHECKING

from glass_core.lazy import lazy_exports

if TYPE_CHECKING:
    from pipeline.cameras.encoding import export_video
    from pipeline.cameras.look import look_through
    from pipeline.report.mill.survey import survey_mill
    from pipeline.report.reviewing import review
    from pipeline.report.sheet import read_roll
    from pipeline.supervision.answering import acknowledge, reset
    from pipeline.supervision.comparing import compare
    from pipeline.supervision.identification import identify
    from pipeline.supervision.machine.examination import examine
    from pipeline.supervision.pulsing import pulse_outputs
    from pipeline.supervision.recording import record
    from pipeline.supervision.replaying import replay
    from pipeline.supervision.running import run
    from pipeline.supervision.validation.validating import validate
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "acknowledge": "supervision.answering", "compare": "supervision.comparing",
            "examine": "supervision.machine.examination", "export_video": "cameras.encoding",
            "identify": "supervision.identification", "look_through": "cameras.look",
            "pulse_outputs": "supervision.pulsing", "read_roll": "report.sheet", "record": "supervision.recording",
            "replay": "supervision.replaying", "reset": "supervision.answering", "review": "report.reviewing",
            "run": "supervision.running", "survey_mill": "report.mill.survey",
            "validate": "supervision.validation.validating",
        },
    )  # fmt: skip


__all__ = [
    "acknowledge", "compare", "examine", "export_video", "identify", "look_through", "pulse_outputs", "read_roll", "record",
    "replay", "reset", "review", "run", "survey_mill", "validate",
]  # fmt: skip
