"""The pages of docs/protocols and docs/reference, made from the program itself by `python -m tools.protocol_pages`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import configs
from glass_core.settings.document import read_document
from pipeline.cameras.basler import READY_MS, WAIT_MS
from pipeline.config.cameras import RejectLineConfig
from pipeline.config.line import LineConfig
from pipeline.config.metrics import MetricsConfig
from pipeline.config.outputs import FolderConfig, ModbusConfig, MqttConfig, OpcUaConfig, WebhookConfig
from pipeline.devices.modbus import READ, WRITE_COILS, WRITE_REGISTERS
from pipeline.grabber import reject_line
from pipeline.messages.line import Heartbeat, Totals
from pipeline.messages.passages import SAMPLED
from pipeline.messages.stages import Progress
from pipeline.messages.states import StageState, State
from pipeline.metrics.figures import Figures
from pipeline.metrics.traces import KEPT_FRAMES, STAGES, TRACE_FORMAT
from pipeline.outputs import modbus, vision_model, vision_server, webhook
from pipeline.outputs.backlog import MAX_WAITING
from pipeline.outputs.mqtt import KEEPALIVE_S, MAX_RETRY_NS, SILENT_NS
from pipeline.outputs.notices import TOPICS
from pipeline.report.document import RollDocument
from pipeline.supervision import child
from tools import reference_pages

FOLDER, CONFIGS = Path("docs/protocols"), Path(configs.__file__).parent
HEAD = "<!-- made by `python -m tools.protocol_pages`; do not edit -->\n"


def pages() -> dict[str, str]:
    """Each file of the folder, by its name."""
    return {
        "README.md": _index(), "mqtt.md": _mqtt(), "webhook.md": _webhook(), "roll.md": _roll(), "opcua.md": _opcua(),
        "metrics.md": _metrics(), "modbus.md": _modbus(), "camera-output.md": _camera_output(),
        "dashboard.md": _dashboard(),
        "topics.schema.json": _schema(sorted({t.of for t in TOPICS.values()}, key=lambda kind: kind.__name__)),
        "roll.schema.json": json.dumps(RollDocument.model_json_schema(mode="serialization"), indent=1) + "\n",
    }  # fmt: skip


def _index() -> str:
    return f"""{HEAD}# How other systems are wired in

Each is an entry under `outputs:`, and a process of its own: a peer that is mute, slow or gone delays nothing in the line.
A line whose peer does not answer goes on and is DEGRADED; cloth may pass, unless rejects go that way (`carries_rejects`).

| page | for | the other side, as an example |
|---|---|---|
| [Modbus TCP](modbus.md) | PLCs and remote I/O; the wire that stops a machine | [plc.st](../../configs/plc.st) |
| [A camera's own output](camera-output.md) | one wire that rejects, without a PLC; no watchdog | a relay |
| [MQTT](mqtt.md) | screens, databases, Node-RED | [mqtt_listener.py](../../configs/mqtt_listener.py) |
| [OPC UA](opcua.md) | line controllers, SCADA | [opcua_listener.py](../../configs/opcua_listener.py) |
| [Webhook](webhook.md) | web services | [webhook_receiver.py](../../configs/webhook_receiver.py) |
| [Rolls for an MES](roll.md) | one document for each finished roll | a folder |
| [Metrics and health](metrics.md) | Prometheus, containers, trace viewers | [alerts.yml](../../configs/alerts.yml) |
| [Dashboard and alerts](dashboard.md) | Grafana, Alertmanager | [dashboard.json](../../configs/dashboard.json) |
"""


def _mqtt() -> str:
    rows = [
        (
            "available",
            "`online` or `offline`, no JSON",
            1,
            "yes",
            "`offline` without a heartbeat for a second; the broker itself says it when the line is gone: last will",
        )
    ]
    rows += [(n, f"`{t.of.__name__}`", int(t.queued), "yes" if t.retained else "no", t.why) for n, t in TOPICS.items()]
    rows += [("sheet", "[a roll's document](roll.md)", 1, "no", "with `rolls: true`; sent until the broker has it")]
    return f"""{HEAD}# MQTT

MQTT 3.1.1. Topics are `TOPIC/LINE/...`: the `topic` of the configuration, and the line's name. No other name becomes part of a
topic, and neither of these may hold `+`, `#` or an empty level. The JSON of each topic stands in
[topics.schema.json](topics.schema.json), under its type's name; a number that is not finite is null.

{_table(("topic", "JSON", "QoS", "retained", "why"), rows)}
QoS 2 is not used: it costs two more journeys, and `generation` with `number` tells twins apart. After a broken connection a
message may come twice.

```yaml
outputs:
  - {{kind: publisher}}
  - {{kind: mqtt, host: 192.168.0.12, port: 8883, user: loom-1, password_file: mqtt.secret, tls: {{ca: broker-ca.pem}}}}
```
{_keys(MqttConfig)}
## When the broker does not do its part
* **Gone, or never answering.** After {SILENT_NS // 10**9} s without an acknowledgement it is given up, and asked again
  after 0.5 s, then ever later, up to {MAX_RETRY_NS // 10**9} s. Keepalive is {KEEPALIVE_S} s. The line is DEGRADED and
  names the broker.
* **What waits.** {MAX_WAITING} messages of QoS 1, the oldest dropped and counted. `totals` and `heartbeat` are now or never.
* **Back again.** First `available`, the last `state` and `roll`, then `outage`: from when to when, how many come late, and how
  many of each topic were dropped or never heard. Then what waited, in its order.
* **A certificate out of date** is refused, and told as such. A password comes from a file that only its owner may read, or from
  a variable of the environment; it stands in no record.
"""


def _webhook() -> str:
    return f"""{HEAD}# Webhook

{_prose(webhook.__doc__)}
The kinds are those of [MQTT](mqtt.md), in [topics.schema.json](topics.schema.json). Status 2xx: it is taken. 408, 425, 429 and
5xx: it is sent again later, with the same `Idempotency-Key`. Any other: it is refused, counted as lost, and the line says so.

```yaml
outputs:
  - {{kind: publisher}}
  - {{kind: webhook, url: "https://mes.example/line", key_file: webhook.key, kinds: [state, reject, roll, outage], rolls: true}}
```
{_keys(WebhookConfig)}"""


def _roll() -> str:
    fields = RollDocument.model_json_schema(mode="serialization")["properties"]
    return f"""{HEAD}# The document of a finished roll

One JSON document for each roll, when every camera has judged cloth beyond its end; a minute after its end where the cloth came
to rest before that; with the next start of the line where a run ended in the middle of it (`complete: false` for both). Its
schema is [roll.schema.json](roll.schema.json). A roll of which no cloth was seen has none.

It goes to each output that asks for it: `kind: folder`, or `rolls: true` of MQTT and webhook. Until that output has delivered
it, it waits as a file under `rolls/NAME/` beside the ledger, over restarts and power cuts, for as long as it takes.

Each is made once. A folder gets it once: a file that is there already is not written again. Over a network no one can promise
that; there it comes at least once, and `document` is the same each time, so that the receiver knows a twin.

```yaml
outputs:
  - {{kind: publisher}}
  - {{kind: folder, name: mes, path: /mnt/mes}}
```
{_keys(FolderConfig)}
The folder is never made: a disk that is not mounted is no folder. One that cannot be written makes the line DEGRADED, and is
tried again each half minute.

Fields: {", ".join(f"`{name}`" for name in fields)}.
"""


def _opcua() -> str:
    standing = [(line.value, system, automatic) for line, (system, automatic) in vision_model.STANDING.items()]
    events = [
        (f"`{name}`", number, ", ".join(f"`{p}`" for p in properties) or "`FromState`, `ToState`")
        for number, (name, _, properties) in vision_model.EVENTS.items()
    ]
    figures = [(f"`{name}`", type(value).__name__) for name, value in vision_server.FIGURES.items()]
    return f"""{HEAD}# OPC UA

A server after OPC 40100-1 (Machine Vision, release 1.0), as far as a continuous line has it. The line is an object of
`VisionSystemType` under Objects, with `VisionStateMachine`, and `AutomaticModeStateMachine` below that. Types, states and
events have the numbers of `{vision_model.NAMESPACE}`.

{_table(("the line", "VisionStateMachine", "AutomaticModeStateMachine"), standing)}
A line whose heartbeat is older than a second is Preoperational, its LineState SILENT.

{_table(("event", "number", "fields"), events)}
* A **job** is a roll; its `JobId` is the roll's name, `#`, and the number of its beginning. The **recipe** is the style, its
  version the card that judged. `PartId` is the roll, `MeasId` the camera.
* A **defect** is a ResultReady with `IsPartial` true. A roll's end is one with `IsPartial` false. `ResultContent` is JSON.
* The final result comes when every camera has judged cloth beyond the roll's end, as [its document](roll.md) does; the next
  job has begun by then. Where the cloth came to rest before that, or the line knows no places, it comes a minute after the end.
* It counts what this server has heard. Its `complete` is false where some camera has not got to the end, and where the server
  was started again in the middle of the roll or has missed messages: the counts are then too low.
* A roll that is not over when the server stops has no final result. Whoever must have each roll takes its document.
* `IsSimulated` is true unless every camera is a real one.
* Events come from the line's object, and from the Server object. The client says how often they are sent: a publishing
  interval of 10 ms is a good one.

Under the namespace `{vision_server.OWN}`, in the object `Line`:

{_table(("figure", "type"), figures)}
Nothing can be written or called: the standard's methods (StartContinuous, Stop, PrepareRecipe and so on) are not there, a line
is told by its own means. Nor are file transfer, configuration and recipe management, step models and the safety state.

```yaml
outputs:
  - {{kind: publisher}}
  - {{kind: opcua, bind: "0.0.0.0:4840", certificate: line.der, key: line.pem, trusted: clients/}}
```
{_keys(OpcUaConfig)}
The certificate names the URI `urn:glassline:LINE`. Out of date, it makes the line DEGRADED. A client whose certificate is not
in the folder, or out of date, is told so and counted. {vision_server.MAX_CLIENTS} clients at most. One that sends more
than {vision_server.MAX_PENDING} requests ahead, or never reads, is hung up on.
"""


def _metrics() -> str:
    rows = [
        (f"`{f.name}{'_total' * (f.type == 'counter')}{'_info' * (f.type == 'info')}`", f.type, f.documentation)
        for f in _families()
    ]
    return f"""{HEAD}# Metrics and health

`metrics: {{bind: "{MetricsConfig().bind}"}}` answers on this machine alone; `0.0.0.0:9109` on all its networks. It is a process
of its own that hears what the line publishes: a scrape costs the line nothing, and a scraper that hangs is shown out after 5 s.

* `/metrics`: Prometheus's text format.
* `/health`: 200 while the line is RUNNING and judges its cloth, and decision's heartbeat is younger than a second; else 503.
  JSON says how it is.
* `/live`: 200 while that heartbeat is fresh, whatever the state.
* `/trace`: when sampled frames passed each stage, for <https://ui.perfetto.dev> or chrome://tracing. Save it first:
  `curl -o trace.json http://{MetricsConfig().bind}/trace`. Its format is the
  Trace Event Format, <{TRACE_FORMAT}>.

Of every {SAMPLED}th frame of a camera the times are kept, of the latest {KEPT_FRAMES} such frames in all.

{_table(("stage", "from", "to", "where the frame is"), [(s.name, s.begins, s.ends, s.where) for s in STAGES])}
A frame that was never scored has no stages between its camera and its verdict. One whose score came after its verdict has
those that were over by then.

{_table(("name", "type", "what it is"), rows)}
Where a figure is of a camera, a process, an output or a reason, its label says which. Counters of the line go on over a restart
of decision; latency, metres by reason and hashes begin anew when this process does. Rules: `promtool check rules
configs/alerts.yml`. Dashboard: import configs/dashboard.json into Grafana.

![The panels of the dashboard](../pictures/dashboard.png)

The picture is drawn from the dashboard's own queries, which a Prometheus answered while a line ran whose worker was killed
once; Grafana draws it otherwise. It is made by `python -m tests.line.dashboard`.
"""


def _dashboard() -> str:
    board = json.loads((CONFIGS / "dashboard.json").read_text(encoding="utf-8"))
    panels = [
        (
            p["title"],
            p["type"],
            p["fieldConfig"]["defaults"].get("unit", ""),
            "<br>".join(f"`{_asked(t)}`" for t in p["targets"]),
        )
        for p in sorted(board["panels"], key=lambda p: (p["gridPos"]["y"], p["gridPos"]["x"]))
    ]
    alerts = [
        (r["alert"], r["labels"]["severity"], r.get("for", "at once"), _of_any_line(r), r["annotations"]["action"])
        for group in read_document(CONFIGS / "alerts.yml").body["groups"]
        for r in group["rules"]
    ]
    return f"""{HEAD}# Dashboard and alerts

[dashboard.json](../../configs/dashboard.json) is imported into Grafana as it is. It asks for a Prometheus as its data source,
and shows one line, which is chosen at the top. [alerts.yml](../../configs/alerts.yml) goes under `rule_files:` of Prometheus.

{_table(("panel", "kind", "unit", "what is asked, of the line that is chosen"), panels)}
{_table(("alert", "severity", "after", "what it says", "what to do"), alerts)}"""


def _asked(target: dict[str, str]) -> str:
    return target["expr"].replace('{instance="$instance"}', "").replace("|", r"\|")


def _of_any_line(rule: dict[str, Any]) -> str:
    """Its summary, with the names of labels in place of what Prometheus puts there."""
    return re.sub(
        r"{{ \$labels\.(\w+) }}", lambda label: label[1].upper().replace("INSTANCE", "LINE"), rule["annotations"]["summary"]
    )


def _modbus() -> str:
    return f"""{HEAD}# Modbus TCP

```
{modbus.__doc__.strip() if modbus.__doc__ else ""}
```

* **Addresses** are those of the wire, from 0. Where a tool calls holding register 0 40001, add 40001.
* **Function codes** that the device must know: {WRITE_COILS} for the coils, {WRITE_REGISTERS} for what is written, and
  {READ["holding"]} for what the PLC writes.
* **Signs.** Edges are int16 with a sign; the place, both targets and the position are int32 with a sign. All others have none.
* **Not known.** A tool that shows 9 or 10 without a sign shows 32768; a known edge lies from -32767 to 32767.
* **Heartbeat.** It goes from 65535 to 0. One that stands still for {modbus.WATCHDOG_MS:g} ms is a stop.
* **Severity** 0 is not harmless: the defect's size is not known.

{_keys(ModbusConfig)}"""


def _camera_output() -> str:
    return f"""{HEAD}# The digital output of a Basler camera

{_prose(reject_line.__doc__)}
It is no entry under `outputs:`: only the process that owns the camera may speak to it. So it stands with the camera, and any
one camera of the line serves; it hears the rejects of all.

```yaml
cameras:
  - name: left
    source: basler
    serial: "24012345"
    reject_line: {{line: Line2, user_output: UserOutput1}}
```
{_keys(RejectLineConfig)}
* The features set are `UserOutputSelector`, `UserOutputValue`, `LineSelector`, `LineMode` where it can be written, and
  `LineSource`. A camera that lacks one, or has no such line, is refused with what it allows. `LineInverter` is left alone: an
  opto-coupled output that is off does not conduct.
* A reject comes at the verdict, not where the cloth reaches an actuator. For that there are marks and stops with their place
  ([Modbus](modbus.md)).
* The wire is switched between two pictures: up to {WAIT_MS} ms after the word where none comes, and up to {READY_MS} ms where
  the camera is not ready for its next software trigger. A stop that no reject came with is told by the next heartbeat, 100 ms.
* A camera that cannot be switched is lost: its process is started again, and until then the line is DEGRADED and no
  cloth may pass.
* In BYPASS no reject is told, and the wire stays on.
* `inspection_ok` does not switch it: cloth that was not judged is rejected like a defect, once it is longer than what is
  tolerated. Choose `pulse_ms` longer than from one frame to the next, or the wire is on between two such rejects.
* A process that hangs is killed after {child.SILENT_NS // 10**9} s: so long the wire may stay as it is.
* `glassline outputs test` opens the camera, lets cloth pass for half a second and rejects again; the line must not run.
* It was tried on pylon's emulated camera, whose output is a register, and on no real one: see that the relay falls before you
  rely on it.
"""


def _families() -> list[Any]:
    """Every figure that there may be."""
    line = LineConfig.model_validate({"cameras": [{"name": "c", "source": "weave", "mm_per_px_x": 0.2, "mm_per_px_y": 0.2}]})
    figures, nothing = Figures(line), dict.fromkeys(
        ("generation", "verdicts", "passed", "defect", "not_inspected", "late_scores", "duplicates", "rejects",
         "rejects_inhibited", "waiting", "t_mono_ns", "inspected_m", "not_inspected_m", "position_mm", "speed_mm_s"), 0,
    )  # fmt: skip
    counters = {"most_tiles": 1, "batch_tiles": 1.0, "infer_ms": 1.0, "gpu_percent": 0.0, "gpu_memory_mib": 0.0, "gpu_w": 0.0,
                "gpu_clock_mhz": 0.0, "gpu_celsius": 0.0}  # fmt: skip
    figures.hear(Totals.model_validate({**nothing, "reasons": {}, "latency_ms": {}, "cameras": {}}), 0)
    figures.hear(Heartbeat(number=0, generation=0, state=State.READY, inspection_ok=False, verdicts=0, t_mono_ns=0), 0)
    figures.hear(
        Progress(name="worker", generation=0, state=StageState.READY, steps=0, handled=0, waiting=0, counters=counters), 0
    )
    return sorted(figures._registry.collect(), key=lambda family: str(family.name))


def _keys(section: type[BaseModel]) -> str:
    """The keys of a section and their defaults."""
    rows = []
    for name, field in section.model_fields.items():
        default = "needed" if field.is_required() else json.dumps(field.get_default(), default=str)
        rows.append((f"`{name}`", default))
    return _table(("key", "default"), rows)


def _table(head: tuple[str, ...], rows: list[Any]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _prose(text: str | None) -> str:
    return (text or "").strip() + "\n"


def _schema(types: list[type[BaseModel]]) -> str:
    _, found = models_json_schema([(t, "serialization") for t in types], title="What a line tells other systems")
    return json.dumps(found, indent=1) + "\n"


def main() -> int:
    """Write all of them."""
    for folder, made in ((FOLDER, pages()), (reference_pages.FOLDER, reference_pages.pages(HEAD))):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
