"""A headless Chromium, where one is installed, driven over its DevTools pipe."""

import base64
import html.parser
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars")
PATIENCE = 60  # seconds, on a machine that is busy with other tests


class Browser:
    """One tab. Commands are JSON with a NUL behind, written to the browser's descriptor 3; replies
    and events come from its 4: https://chromedevtools.github.io/devtools-protocol
    """

    def __init__(self, write: int, read: int):
        self.write, self.read, self.last, self.session = write, read, 0, None
        self.buffer = b""
        tab = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]

    def send(self, method: str, **parameters) -> dict:
        """Send a command and return its result."""
        self.last += 1
        message = {"id": self.last, "method": method, "params": parameters}
        message |= {"sessionId": self.session} if self.session else {}
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.write, data) :]
        while True:
            while b"\0" not in self.buffer:
                more = os.read(self.read, 1 << 20)
                assert more, "the browser is gone"
                self.buffer += more
            reply, _, self.buffer = self.buffer.partition(b"\0")
            reply = json.loads(reply)
            if reply.get("id") == self.last:
                assert "error" not in reply, reply
                return reply["result"]

    def open(self, page: Path, fragment: str = "", *, width: int = 1280, height: int = 900) -> None:
        """Open a page and wait until its scripts have run."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        # A page that scrolls smoothly would still move under the mouse.
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.send("Emulation.setEmulatedMedia", features=[still])
        self.send("Page.navigate", url="about:blank")
        self.wait("location.protocol === 'about:'")
        self.send("Page.navigate", url=f"{page.resolve().as_uri()}{fragment}")
        self.wait("location.protocol === 'file:' && document.readyState === 'complete'")

    def ask(self, expression: str):
        """Return the value of a JavaScript expression in the page."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until an expression is true in the page."""
        end = time.monotonic() + PATIENCE
        while not self.ask(expression):
            assert time.monotonic() < end, f"never so: {expression}"
            time.sleep(0.05)

    def press(self, selector: str) -> None:
        """Bring an element into view and press the mouse on its middle, whatever lies there."""
        found = json.dumps(selector)
        centred = "{behavior: 'instant', block: 'center'}"
        self.ask(f"document.querySelector({found}).scrollIntoView({centred})")
        x, y = self.ask(
            f"(() => {{ const box = document.querySelector({found}).getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def key(self, name: str) -> None:
        """Press a key, such as Tab or Enter."""
        text = {"Enter": "\r"}.get(name)
        code = {"Enter": 13, "Tab": 9}[name]
        more = {"windowsVirtualKeyCode": code, "code": name, "key": name}
        self.send(
            "Input.dispatchKeyEvent", type="keyDown", **more, **({"text": text} if text else {})
        )
        self.send("Input.dispatchKeyEvent", type="keyUp", **more)

    def printed(self) -> bytes:
        """Return the page as a PDF."""
        return base64.b64decode(self.send("Page.printToPDF", preferCSSPageSize=True)["data"])


@contextmanager
def browser() -> Iterator[Browser]:
    """Start a browser for a while; skip the test where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium is installed, so no page can be opened")
    commands, write = os.pipe()
    read, replies = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # A shell puts the pipes' ends where the browser looks for them.
        start = f'exec "$@" 3<&{commands} 4>&{replies}'
        command = ["bash", "-c", start, "-", found, *OPTIONS, f"--user-data-dir={profile}"]
        process = subprocess.Popen(
            [*command, "--remote-debugging-pipe"],
            pass_fds=(commands, replies),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(replies)
        try:
            yield Browser(write, read)
        finally:
            process.terminate()
            process.wait()
            os.close(write)
            os.close(read)


def dom(page: Path, fragment: str = "") -> str:
    """Return a page's document after its scripts have run."""
    with browser() as tab:
        tab.open(page, fragment)
        time.sleep(0.3)  # for what would only run after the page is loaded, and should not
        return tab.ask("'<!doctype html>' + document.documentElement.outerHTML")


class Elements(html.parser.HTMLParser):
    """What a document is made of: its elements by name, their attributes, its text."""

    def __init__(self, document: str):
        super().__init__()
        self.count, self.attributes, self.text = Counter(), [], []
        self.feed(document)

    def handle_starttag(self, tag, attrs):
        self.count[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.text.append(data)
