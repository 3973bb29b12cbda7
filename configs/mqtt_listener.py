"""What an MQTT client does with a line's topics: prints its state, rejects and rolls. `python mqtt_listener.py HOST LINE`.

Copy it; it needs paho-mqtt alone. In Node-RED the same is an `mqtt in` node on `glassline/LINE/#` that gives a parsed JSON
object, and a `switch` node on `msg.topic`. Messages may come twice after a broken connection: `generation` and `number` tell.
It is for screens and databases. What must stop a machine is wired by Modbus, or watches `heartbeat` as consumer.py does.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion


class Listener:
    """Keeps what was told last, and leaves twins out."""

    def __init__(self) -> None:
        self.available = False
        """The line's output lives; without it, what is known is old."""
        self.state = self.roll = "unknown"
        self._last: dict[str, tuple[int, int]] = {}

    def hear(self, topic: str, payload: bytes | bytearray) -> str | None:
        """One message; a line of text where it is worth one."""
        name = topic.rpartition("/")[2]
        if name == "available":
            self.available = payload == b"online"
            return f"line {payload.decode()}"
        body = json.loads(payload)
        numbered = body["reject"] if name == "reject" else body
        if name in ("state", "roll", "reject", "defect"):
            number = numbered["generation"], numbered["number"]
            if number <= self._last.get(name, (-1, -1)):
                return None
            self._last[name] = number
        if name == "state":
            self.state = body["state"]
            return f"{body['state']}, inspection {'ok' if body['inspection_ok'] else 'NOT OK'} {body['detail']}".rstrip()
        if name == "roll":
            self.roll = body["roll_id"]
            return f"roll {body['roll_id'] or 'ended'}"
        if name == "reject":
            return f"REJECT {numbered['camera']} {numbered['cause']} {numbered['start_mm']} to {numbered['end_mm']} mm"
        if name == "outage" and body["lost"]:
            return f"messages were lost: {body['lost']}"
        return None


def main(host: str, port: int, line: str) -> None:
    """Listen until Ctrl-C; paho connects again by itself."""
    listener = Listener()
    client = paho.Client(CallbackAPIVersion.VERSION2)

    def on_connect(client: paho.Client, *_: Any) -> None:
        client.subscribe(f"glassline/{line}/#", qos=1)

    def on_message(client: paho.Client, data: Any, message: paho.MQTTMessage) -> None:
        if (text := listener.hear(message.topic, message.payload)) is not None:
            print(text, flush=True)

    client.on_connect, client.on_message = on_connect, on_message
    client.connect(host, port)
    client.loop_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("line")
    parser.add_argument("--port", type=int, default=1883)
    words = parser.parse_args()
    main(words.host, words.port, words.line)
