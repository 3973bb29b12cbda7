"""The Containerfile keeps the rules that linters of such files have; it is not built here, where there is no registry."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator

import pytest

from pipeline.config.metrics import MetricsConfig
from tests.shared_data import ROOT

TEXT = (ROOT / "Containerfile").read_text(encoding="utf-8")
LET_IN = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
LEAN_APT = ("apt-get update", "--no-install-recommends", "rm -rf /var/lib/apt/lists/*")
SECRET = re.compile(r"passw|secret|token|api_?key|private|BEGIN ", re.IGNORECASE)


def instructions(text: str) -> list[tuple[str, str]]:
    """Each word and what follows it, lines joined, comments left out."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", "", lines)
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def complaints(text: str) -> Iterator[str]:
    """What is wrong with such a file."""
    told = instructions(text)
    stages: set[str] = set()
    for word, rest in told:
        if word == "FROM":
            image, *name = rest.split(" AS ")
            if image not in stages and not re.fullmatch(r"[\w./-]+:(?!latest)[\w.-]*\d[\w.-]*", image):
                yield f"image without a tag: {image}"
            stages |= set(name)
        elif word == "ADD":
            yield "ADD fetches and unpacks: COPY"
        elif word in ("ENV", "ARG") and SECRET.search(rest):
            yield f"a secret is in the image for good: {rest}"
        elif word == "COPY" and not rest.startswith("--from="):
            for source in rest.split()[:-1]:
                if f"!{source}" not in LET_IN or not (ROOT / source).exists():
                    yield f"not there, or not let in: {source}"
        elif word in ("CMD", "ENTRYPOINT", "HEALTHCHECK") and not isinstance(command(rest), list):
            yield f"a shell between the container and the program hides signals: {word}"
        elif word == "RUN" and "pip install" in rest and not {"--no-cache-dir", "--no-deps"} <= set(shlex.split(rest)):
            yield f"pip that keeps a cache, or chooses versions: {rest}"
        elif word == "RUN" and "apt-get install" in rest and not all(part in rest for part in LEAN_APT):
            yield f"apt that leaves more than was asked for: {rest}"
    last = max(n for n, (word, _) in enumerate(told) if word == "FROM")
    users = [(n, rest) for n, (word, rest) in enumerate(told) if word == "USER" and n > last]
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1][1]):
        yield "runs as root, or as a name that an orchestrator cannot check"
    elif (ids := re.search(r"useradd --uid (\d+) --gid (\d+) ", text)) is None or ":".join(ids.groups()) != users[-1][1]:
        yield "the user that it runs as is not the one that was made, or its group is whatever was free"
    elif any(word == "RUN" for word, _ in told[users[-1][0] :]):
        yield "changes the image as the user of the line"
    if "HEALTHCHECK" not in dict(told):
        yield "no HEALTHCHECK"


def command(rest: str) -> object:
    """The list of a command in exec form; None for one that a shell reads."""
    try:
        return json.loads(rest[rest.index("[") :])
    except ValueError:
        return None


def test_there_is_nothing_to_complain_of() -> None:
    assert [*complaints(TEXT)] == []


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("python:3.12-slim-bookworm AS", "python AS"), ("python:3.12-slim-bookworm\n", "python:latest\n"),
        ("USER 10001:10001", "USER root"), ("USER 10001:10001\n", ""), ("USER 10001:10001", "USER 0:10001"),
        ("COPY tools tools", "ADD tools tools"), ("COPY tools tools", "COPY . ."), ("COPY tools tools", "COPY tests tests"),
        ("HEALTHCHECK --interval", "# --interval"), ('ENTRYPOINT ["glassline"]', "ENTRYPOINT glassline"),
        (" --no-install-recommends", ""),
        (" --no-cache-dir --no-deps --require-hashes", " --require-hashes"), ("PYTHONUNBUFFERED=1", "MQTT_PASSWORD=x"),
        ("WORKDIR /line", "RUN touch x"), ("useradd --uid 10001 --gid 10001", "useradd --system --uid 10001 --user-group"),
    ],
)  # fmt: skip
def test_a_file_that_breaks_a_rule_is_told_of(was: str, becomes: str) -> None:
    assert was in TEXT
    assert [*complaints(TEXT.replace(was, becomes, 1))] != []


def test_what_is_installed_is_what_was_tested() -> None:
    runs = [rest for word, rest in instructions(TEXT) if word == "RUN"]
    (torch,) = re.findall(r"^TORCH \?= (\S+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert ("ARG", f"TORCH={torch}") in instructions(TEXT)
    assert any("--index-url https://download.pytorch.org/whl/cpu" in run and "$TORCH" in run for run in runs)
    assert any("--require-hashes --requirement requirements.lock" in run for run in runs)
    with (ROOT / "pyproject.toml").open("rb") as file:
        packages = tomllib.load(file)["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {("COPY", f"{p.rstrip('*')} {p.rstrip('*')}") for p in packages} <= set(instructions(TEXT))


def test_nothing_gets_in_by_chance() -> None:
    rules = [line for line in LET_IN if line and not line.startswith("#")]
    assert rules[0] == "*" and all(rule.startswith("!") for rule in rules[1:-1]) and rules[-1] == "**/__pycache__"


def test_its_health_is_asked_where_the_line_answers_by_default() -> None:
    health = command(dict(instructions(TEXT))["HEALTHCHECK"])
    assert isinstance(health, list) and f"'http://{MetricsConfig().bind}/live'" in health[-1]
    compile(health[-1], "health", "exec")
