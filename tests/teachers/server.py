"""A small server that speaks OpenAI's chat completions; the bundled procedural teacher answers."""

import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from valley.bank import teacher
from valley.core.seeds import derive


class TeacherServer(ThreadingHTTPServer):
    """Answers questions on the problems that it is given, on loopback.

    Args:
        problems: rows of the bank.
        key: wanted of clients; None lets everybody in.
    """

    daemon_threads = True

    def __init__(self, problems: list[dict], key: str | None = None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.problems, self.key = problems, key
        self.served: list[dict] = []  # the requests that were answered
        self.keys: set[str] = set()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments) -> None:
        pass

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.server.keys.add(given)
        if self.server.key is not None and given != self.server.key:
            return self._reply(401, {"error": {"message": f"Incorrect API key provided: {given}"}})
        prompt = asked["messages"][-1]["content"]
        problem = next((p for p in self.server.problems if p["statement"] in prompt), None)
        if problem is None:
            return self._reply(400, {"error": {"message": "I know no such problem"}})
        text = teacher.trace(problem, derive("served", asked.get("seed", 0)), 0.3)
        message = {"role": "assistant", "content": text}
        if asked["model"].endswith("-apart"):  # as DeepSeek sends its reasoning
            reasoning, answer = text.removeprefix("<think>").split("</think>")
            message = {"role": "assistant", "content": answer, "reasoning_content": reasoning}
        self.server.served.append(asked)
        read, wrote = (len(re.findall(r"\w+|[^\w\s]", part)) for part in (prompt, text))
        usage = {
            "prompt_tokens": read,
            "completion_tokens": wrote,
            "total_tokens": read + wrote,
        }
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self._reply(
            200,
            {
                "id": "1",
                "object": "chat.completion",
                "created": 0,
                "model": asked["model"],
                "choices": [choice],
                "usage": usage,
            },
        )

    def _reply(self, status: int, value: dict) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running(server: ThreadingHTTPServer):
    """Run a server of this module or of `proxy` in a thread; yield it."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def address(server: ThreadingHTTPServer) -> str:
    """Return a server's base URL."""
    return f"http://127.0.0.1:{server.server_address[1]}/v1"
