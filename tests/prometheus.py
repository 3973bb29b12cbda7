"""A real Prometheus on loopback that scrapes a line each second, and answers the queries of configs/dashboard.json."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest

from tests.mosquitto import free_port
from tests.shared_data import ROOT

PROGRAM = shutil.which("prometheus")
needs_prometheus = pytest.mark.skipif(PROGRAM is None, reason="prometheus is not installed")
DASHBOARD = ROOT / "configs" / "dashboard.json"


class Series(NamedTuple):
    """What one query gives: by its legend, times in s and values."""

    legend: str
    times_s: list[float]
    values: list[float]
    labels: dict[str, str]


class Prometheus:
    """Scrapes one address."""

    def __init__(self, folder: Path, target: str) -> None:
        self.target, self._folder, self.port = target, folder, free_port()
        self._config = folder / "prometheus.yml"
        job = {"job_name": "glassline", "static_configs": [{"targets": [target]}]}
        self._config.write_text(
            json.dumps({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job]})
        )

    def __enter__(self) -> Self:
        assert PROGRAM is not None
        self._process = subprocess.Popen(
            [
                PROGRAM, f"--config.file={self._config}", f"--storage.tsdb.path={self._folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=error",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return self

    def __exit__(self, *failure: object) -> None:
        self._process.terminate()
        self._process.wait()

    def series(self, target: dict[str, Any], since_s: float) -> list[Series]:
        """What a target of a panel gives from then until now, second by second; nothing before Prometheus is up."""
        expression = target["expr"].replace("$instance", self.target)
        words = {"query": expression, "start": f"{since_s:.3f}", "end": f"{time.time_ns() / 1e9:.3f}", "step": "1"}
        url = f"http://127.0.0.1:{self.port}/api/v1/query_range?{urllib.parse.urlencode(words)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as e:
            with e:
                raise AssertionError(f"{expression}: {e.read().decode()}") from None
        except OSError:
            return []
        made = []
        for each in found["data"]["result"]:
            labels = each["metric"]
            legend = target.get("legendFormat", "")
            for name, value in labels.items():
                legend = legend.replace("{{" + name + "}}", value)
            pairs = [(t, float(v)) for t, v in each["values"] if v != "NaN"]
            if pairs:
                made.append(Series(legend, [t for t, _ in pairs], [v for _, v in pairs], labels))
        return made

    def empty(self, since_s: float) -> list[str]:
        """Titles of panels that show nothing, and do not say in words of their own (`noValue`) that this may be."""
        return [
            panel["title"]
            for panel in panels()
            if "noValue" not in panel["fieldConfig"]["defaults"]
            and not any(self.series(target, since_s) for target in panel["targets"])
        ]


def panels() -> list[dict[str, Any]]:
    """Those of the dashboard."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found
