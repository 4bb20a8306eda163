"""A proxy on loopback that spoils some answers on their way, each fault as often as it is listed.

Faults: a status ("429", "500", …) in place of the answer; "drop" closes the connection without one;
"hang" keeps it open for a while first; "half" closes it in the middle of the body; "cut" sends half
the body as if it were whole; "unfinished" an answer that did not end by itself; "empty" one without
text. After the last fault everything passes.
"""

import http.client
import json
import threading
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

LONGEST_HANG_S = 5.0
MOST_FAULTS = 500


class FaultyProxy(ThreadingHTTPServer):
    """Passes requests on to a server of the same machine.

    Args:
        upstream: base URL of the server.
        faults: what happens to the first requests, in order; "pass" lets one through.
        hang_s: how long a hanging connection stays open.
    """

    daemon_threads = True

    def __init__(self, upstream: str, faults: Iterable[str], hang_s: float = 0.5):
        super().__init__(("127.0.0.1", 0), _Handler)
        url = urlsplit(upstream)
        if url.hostname != "127.0.0.1":
            raise ValueError("this proxy serves loopback only")
        self.upstream = url.hostname, url.port
        self.faults = list(faults)[:MOST_FAULTS]
        self.hang_s = min(hang_s, LONGEST_HANG_S)
        self.seen: list[str] = []
        self._lock = threading.Lock()

    def next_fault(self) -> str:
        with self._lock:
            fault = self.faults.pop(0) if self.faults else "pass"
            self.seen.append(fault)
            return fault


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fault = self.server.next_fault()
        if fault.isdigit():
            said = json.dumps({"error": {"message": f"fault {fault}"}}).encode()
            return self._send(int(fault), said, len(said), {"Retry-After": "0"})
        if fault in ("drop", "hang"):
            time.sleep(self.server.hang_s if fault == "hang" else 0)
            self.close_connection = True
            return None
        status, answer = self._pass_on(body)
        if fault in ("unfinished", "empty"):
            value = json.loads(answer)
            if fault == "empty":
                value["choices"][0]["message"] = {"role": "assistant", "content": ""}
            else:
                value["choices"][0]["finish_reason"] = None
            answer = json.dumps(value).encode()
        if fault in ("half", "cut"):
            part = answer[: len(answer) // 2]
            self._send(status, part, len(answer if fault == "half" else part), {})
            self.close_connection = True
            return None
        return self._send(status, answer, len(answer), {})

    def _pass_on(self, body: bytes) -> tuple[int, bytes]:
        upstream = http.client.HTTPConnection(*self.server.upstream, timeout=120)
        kept = ("Authorization", "Content-Type")
        headers = {name: self.headers[name] for name in kept if self.headers[name]}
        try:
            upstream.request("POST", self.path, body, headers)
            reply = upstream.getresponse()
            return reply.status, reply.read()
        finally:
            upstream.close()

    def _send(self, status: int, body: bytes, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
