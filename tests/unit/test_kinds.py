"""Every kind has its row, and a toy of each works from end to end in a copy of the program.

A toy is a row of its table and its own module or class; nothing else of the copy is touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, get_args

import pytest

from glass_core.backbones import BACKBONES
from glass_core.errors import InputError
from pipeline.cameras import CAMERAS
from pipeline.config.cameras import CameraConfig
from pipeline.config.cards import load_config
from pipeline.config.inputs import InputConfig
from pipeline.config.motion import MotionConfig
from pipeline.config.outputs import OutputConfig
from pipeline.inputs import INPUTS, input_kind
from pipeline.messages.reasons import Reason
from pipeline.motion import SOURCES
from pipeline.outputs import OUTPUTS, output_kind
from tests.shared_data import ROOT
from tools.cli import parser

PACKAGES = ("calibration", "configs", "glass_core", "pipeline", "tools")

# Of each toy: the files that are its own, and what a table's file gains before a line of it.
OWN = {
    "glass_core/backbones/averages.py": """
        import torch.nn.functional as F

        from glass_core.backbones.trunk import Trunk


        class Averages(Trunk):
            level_channels = (3, 3)

            def __init__(self):
                super().__init__()
                self.freeze()

            def forward(self, x):
                return F.avg_pool2d(x, 8), F.avg_pool2d(x, 16)
        """,
    "pipeline/outputs/siren.py": """
        from pipeline.messages.states import StageState
        from pipeline.messages.verdicts import Verdict


        class Siren:
            state, handled, waiting = StageState.READY, 0, 0

            def __init__(self, heard):
                self._heard, self.verdicts = heard, []

            def step(self, now_ns):
                while received := self._heard.receive():
                    self.verdicts += [m for m in received[:1] if isinstance(m, Verdict)]
                return False

            def close(self):
                pass


        def make(config, heard, decision, generation, line):
            return Siren(heard)


        def trials(config):
            config.log.write_text("loud")
            yield "horn", "horn on"
            config.log.write_text("silent")
        """,
    "pipeline/inputs/button.py": """
        from pipeline.messages.cloth import Contact
        from pipeline.messages.states import StageState


        class Button:
            state, handled, waiting = StageState.READY, 0, 0

            def __init__(self, config, decision):
                self._config, self._decision = config, decision

            def step(self, now_ns):
                return self._decision.send(Contact(name=self._config.contacts[0].name, t_mono_ns=now_ns))

            def close(self):
                pass


        def make(config, decision, generation):
            return Button(config, decision)
        """,
    "pipeline/motion/belt.py": """
        class Belt:
            name, fault, trouble, refused, kept = "belt", "", "", 0, None

            def __init__(self, config):
                self._config = config

            def read(self, now_ns, held):
                return self._config.at_mm, 100.0, now_ns

            def close(self):
                pass
        """,
}
ROWS = [
    (
        "glass_core/backbones/__init__.py",
        '    "embedded": Backbone(',
        '    "averages": Backbone(lambda levels: resolve_name("glass_core.backbones.averages:Averages")(), levels=(2, 3)),\n',
    ),
    ("glass_core/backbones/__init__.py", "from typing import", "from pkgutil import resolve_name\n"),
    (
        "pipeline/config/outputs.py",
        "WiredConfig = ModbusConfig",
        'class SirenConfig(Section):\n    kind: Literal["siren"]\n    name: ProcessName = "siren"\n    log: Path\n\n\n',
    ),
    ("pipeline/config/outputs.py", "from typing import", "from pathlib import Path\n"),
    ("pipeline/outputs/__init__.py", '    "modbus": ', '    "siren": "pipeline.outputs.siren",\n'),
    (
        "pipeline/config/inputs.py",
        "InputConfig = Annotated[",
        'class ButtonConfig(Section):\n    kind: Literal["button"]\n    name: ProcessName = "button"\n'
        "    contacts: tuple[ContactConfig, ...]\n\n\n",
    ),
    ("pipeline/inputs/__init__.py", '"modbus": ', '"button": "pipeline.inputs.button", '),
    (
        "pipeline/config/motion.py",
        "MotionConfig = Annotated[",
        'class BeltMotion(Section):\n    source: Literal["belt"]\n    at_mm: float\n\n\n',
    ),
    ("pipeline/config/motion.py", "    SimulatedMotion | RecordedMotion", "    BeltMotion |"),
    ("pipeline/motion/__init__.py", '    "simulated": ', '    "belt": lambda config, inbox, before: Belt(config),\n'),
    ("pipeline/motion/__init__.py", "from pipeline.motion.counts", "from pipeline.motion.belt import Belt\n"),
    (
        "pipeline/messages/reasons.py",
        "    NO_SCORE = (",
        '    TOO_HOT = "TOO_HOT", "The camera is too hot.", "Cool the camera."\n',
    ),
]
MEMBERS = [
    ("pipeline/config/outputs.py", "WiredConfig = ModbusConfig", "WiredConfig = SirenConfig | ModbusConfig"),
    ("pipeline/config/inputs.py", "Annotated[ModbusInputConfig,", "Annotated[ModbusInputConfig | ButtonConfig,"),
]


def kinds(union: Any, key: str) -> set[str]:
    """Of each member of a configuration's union, what it is called there."""
    members = get_args(get_args(union)[0]) or (get_args(union)[0],)
    return {get_args(member.model_fields[key].annotation)[0] for member in members}


@pytest.mark.parametrize(
    ("union", "key", "rows"),
    [
        (OutputConfig, "kind", {"publisher", *OUTPUTS}),
        (InputConfig, "kind", set(INPUTS)),
        (MotionConfig, "source", set(SOURCES)),
        (CameraConfig, "source", set(CAMERAS)),
    ],
    ids=["outputs", "inputs", "motion", "cameras"],
)
def test_every_kind_that_a_config_may_name_has_a_row(union: Any, key: str, rows: set[str]) -> None:
    assert kinds(union, key) == rows


def test_rows_name_what_is_there() -> None:
    for kind in OUTPUTS:
        assert callable(output_kind(kind).make) and callable(output_kind(kind).trials)
    assert all(callable(input_kind(kind).make) for kind in INPUTS)
    assert all(isinstance(resolve_name(row), type) for row in CAMERAS.values())


def test_every_reason_has_two_sentences() -> None:
    for reason in Reason:
        assert reason == reason.name and reason.meaning.endswith(".") and reason.remedy.endswith(".")


@pytest.mark.parametrize("arch", BACKBONES)
def test_the_command_line_offers_every_backbone(arch: str) -> None:
    for words in (["bench", "--arch"], ["train", "d", "--out", "o", "--backbone"], ["convert", "a", "b", "--backbone"]):
        assert arch in vars(parser().parse_args([*words, arch])).values()


def test_an_unknown_kind_of_output_is_told_with_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "line.yaml"
    path.write_text("outputs: [{kind: publisher}, {kind: profinet}]")
    with pytest.raises(InputError, match=r"^[^\n]*profinet[^\n]*outputs\[1\][^\n]*modbus[^\n]*publisher[^\n]*$"):
        load_config(path)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program that has the toys."""
    root = tmp_path_factory.mktemp("house")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in OWN.items():
        (root / path).write_text("\n".join(line.removeprefix(" " * 8) for line in text.splitlines()))
    for path, before, row in ROWS:
        put(root / path, before, row + before)
    for path, old, new in MEMBERS:
        put(root / path, old, new)
    return root


def put(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"{path.name} has no line {old!r} any more"
    path.write_text(text.replace(old, new, 1))


def tell(house: Path, folder: Path, script: str) -> str:
    """What a program says that runs in the copy, started in a folder of its own."""
    (folder / "script.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(house), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_backbone_is_configured_built_and_timed(house: Path, tmp_path: Path) -> None:
    said = tell(
        house,
        tmp_path,
        """
import torch

from glass_core.config import TrainConfig
from glass_core.network.model import Glass
from glass_core.network.weights import load_trunk
from tools.cli import main

config = TrainConfig.model_validate({"backbone": "averages"})  # its profile has three levels, the toy has two
glass = Glass(config.backbone, levels=config.levels)
print(glass.arch, config.levels, load_trunk(glass), tuple(glass.eval()(torch.rand(1, 64, 64)).shape))
words = ["bench", "--arch", "averages", "--size", "64", "--batch", "1", "--seconds", "0.1", "--backend", "torch", "--json"]
assert main(words) == 0
""",
    )
    built, timed = said.splitlines()
    assert built == "averages (2, 3) None (1, 8, 8)" and '"arch": "averages"' in timed


def test_an_output_hears_verdicts_and_is_tried(house: Path, tmp_path: Path) -> None:
    said = tell(
        house,
        tmp_path,
        """
import time
from pathlib import Path

from pipeline.config.line import LineConfig
from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict
from pipeline.supervision.builders import ROLES, build
from pipeline.supervision.spec import Spec
from tools.cli import main

body = '{"line": {"name": "toys"}, "model": "run", "outputs": [{"kind": "publisher"}, {"kind": "siren", "log": "log"}]}'
config = LineConfig.model_validate_json(body)
print(ROLES["output"].names(config))
spec = Spec(role="output", name="siren", generation=0, folder=Path("link").absolute(), config=config)
link = ZmqLink(spec.folder)
broadcast = link.broadcast(config.publisher.bind)
siren = build(Spec.model_validate_json(spec.model_dump_json()), link)
verdict = Verdict(number=7, generation=0, camera="a", boot_id="b", seq=0, result=Result.PASS, t_mono_ns=0, t_utc_ns=0)
end_s = time.monotonic() + 20
while not siren.verdicts and time.monotonic() < end_s:
    broadcast.publish(verdict)
    link.wait(20)
    siren.step(0)
print(siren.verdicts[0].number)
link.close()
Path("line.yaml").write_text(body)
assert main(["outputs", "test", "line.yaml", "--json"]) == 0
print(Path("log").read_text())
""",
    )
    assert said.splitlines() == [
        "['siren']", "7", '{"schema": 1, "did": "test", "pulsed": {"siren": ["horn"]}, "failed": {}}', "silent",
    ]  # fmt: skip


def test_an_input_says_that_its_contact_closed(house: Path, tmp_path: Path) -> None:
    said = tell(
        house,
        tmp_path,
        """
from pathlib import Path

from pipeline.config.line import LineConfig
from pipeline.link.memory_link import MemoryLink
from pipeline.supervision.builders import ROLES, build
from pipeline.supervision.spec import Spec

contact = {"name": "seam", "address": 0, "says": "SEAM", "length_mm": 100}
config = LineConfig.model_validate({"model": "run", "inputs": [{"kind": "button", "contacts": [contact]}]})
print(ROLES["input"].names(config))
link = MemoryLink()
build(Spec(role="input", name="button", generation=0, folder=Path(), config=config), link).step(5)
print(link.inbox("decision").receive()[0])
""",
    )
    assert said.splitlines() == ["['button']", "name='seam' t_mono_ns=5"]


def test_a_motion_source_moves_the_cloth(house: Path, tmp_path: Path) -> None:
    said = tell(
        house,
        tmp_path,
        """
from pathlib import Path

from pipeline.config.line import LineConfig
from pipeline.link.memory_link import MemoryLink
from pipeline.messages.motion import Motion
from pipeline.supervision.builders import build
from pipeline.supervision.spec import Spec

config = LineConfig.model_validate({"model": "run", "motion": {"source": "belt", "at_mm": 321.0}})
link = MemoryLink()
build(Spec(role="motion", name="motion", generation=0, folder=Path(), config=config), link).step(5)
heard = []
while received := link.inbox("decision").receive():
    heard.append(received[0])
print([(m.position_mm, m.source, m.state.value) for m in heard if isinstance(m, Motion)])
""",
    )
    assert said == "[(321.0, 'belt', 'MOVING')]\n"


def test_a_reason_is_published_recorded_and_shown_with_its_sentences(house: Path, tmp_path: Path) -> None:
    said = tell(
        house,
        tmp_path,
        """
import json
import time
from pathlib import Path

from pipeline.config.line import LineConfig
from pipeline.ledger.stage import make_recorder
from pipeline.link.memory_link import MemoryLink
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict
from pipeline.outputs.publisher import Publisher
from pipeline.report import write_page

link = MemoryLink()
heard = link.broadcast("").heard
verdict = Verdict(
    number=0, generation=0, camera="a", boot_id="b", seq=0, result=Result.NOT_INSPECTED, reason=Reason.TOO_HOT,
    start_mm=0.0, end_mm=100.0, t_mono_ns=0, t_utc_ns=0,
)
Publisher(link.broadcasts[0], 0).publish(verdict)
print(heard[0].reason)
config = LineConfig.model_validate({"ledger": {"path": "out/ledger.sqlite"}})
recorder = make_recorder(link.inbox("recorder"), link.outbox("decision"), config, Path("run"), 0, 1)
link.outbox("recorder").send(verdict)
recorder.step(time.monotonic_ns())
recorder.close()
print(json.loads(Path("out/verdicts.jsonl").read_text().splitlines()[-1])["reason"])
page = write_page(Path("out/ledger.sqlite"), Path("out")).read_text()
print("The camera is too hot." in page, "Cool the camera." in page)
""",
    )
    assert said.splitlines() == ["TOO_HOT", "TOO_HOT", "True True"]
