"""What a server does with a line's POSTs: checks who sent them and when, and takes each once.

`python webhook_receiver.py KEY_FILE`. Copy it; it needs Python alone. Behind a real web server the same three checks go into
its handler. Answer 2xx only when the message is safe with you: it is then never sent again. Any 5xx says "later".
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

MAX_AGE_S = 300
MAX_BYTES = 8_000_000
KEPT_KEYS = 10_000


class Receiver:
    """Knows the key, and which messages it has."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._seen: OrderedDict[str, None] = OrderedDict()

    def check(self, headers: Mapping[str, str], body: bytes, now_s: float) -> tuple[int, Any]:
        """The status to answer, and the message where it is a new one of the line's."""
        seconds, signature = headers.get("X-Glassline-Time", ""), headers.get("X-Glassline-Signature", "")
        made = "sha256=" + hmac.new(self._key, seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(made.encode(), signature.encode()):
            return 401, None
        if not seconds.isdecimal() or abs(now_s - int(seconds)) > MAX_AGE_S:
            return 408, None  # a clock is wrong, or somebody sends old words: the line sends it anew with a new time
        if (name := headers.get("Idempotency-Key", "")) in self._seen:
            return 200, None
        self._seen[name] = None
        while len(self._seen) > KEPT_KEYS:
            self._seen.popitem(last=False)
        return 200, json.loads(body)


def main(key_file: Path, port: int) -> None:
    """Serve on this machine until Ctrl-C."""
    receiver = Receiver(key_file.read_text().partition("\n")[0].encode())

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(size) if size <= MAX_BYTES else b""
            status, message = receiver.check(dict(self.headers), body, time.time_ns() / 1e9)
            if message is not None:
                print(message["kind"], json.dumps(message["body"]), flush=True)
            self.send_response(status)
            self.end_headers()

    HTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("key_file", type=Path)
    parser.add_argument("--port", type=int, default=8080)
    words = parser.parse_args()
    main(words.key_file, words.port)
