"""A line that is heard over TCP: a known client gets its verdicts, an unknown one gets nothing and is counted."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml
import zmq

from pipeline.link.keys import make_keys
from tests.peers import Peers, free_port, pair_of


def test_a_known_client_hears_the_verdicts_of_a_line(model: Path, footage: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    make_keys(keys, ["office"])
    address = f"tcp://127.0.0.1:{free_port()}"
    body = {
        "line": {"name": "curve"}, "model": str(model), "worker": {"backend": "torch"}, "decision": {"budget_ms": 5000},
        "cameras": [{"name": "a", "source": "replay", "path": str(footage), "loop": True, "rate": 5}],
        "outputs": [{"kind": "publisher", "bind": address, "keys": str(keys)}],
        "ledger": {"path": str(tmp_path / "ledger.sqlite")},
    }  # fmt: skip
    (tmp_path / "line.yaml").write_text(yaml.safe_dump(body))
    words = [sys.executable, "-m", "tools", "run", str(tmp_path / "line.yaml"), "--slow-ok", "--json"]
    line = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peers = Peers()
    ears = [peers.ear(address, keys, pair, b"Verdict") for pair in (pair_of(keys, "office"), zmq.curve_keypair())]
    try:
        end_s = time.monotonic() + 120
        heard = 0
        while heard < 5 and line.poll() is None and time.monotonic() < end_s:
            if ears[0].poll(100):
                assert ears[0].recv_multipart()[0] == b"Verdict"
                heard += 1
        stranger = ears[1].poll(0)
    finally:
        peers.close()
        line.send_signal(signal.SIGINT)
        out, err = line.communicate(timeout=30)
    assert heard == 5 and not stranger, err
    assert line.returncode == 0 and json.loads(out)["verdicts"] >= 5, err
