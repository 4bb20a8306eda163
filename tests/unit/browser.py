"""A headless browser, where one is installed."""

import html.parser
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def dom(page: Path, fragment: str = "") -> str:
    """Return a page's document after its scripts have run; skip where there is no browser."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium is installed, so no page can be opened")
    command = [found, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += [f"--user-data-dir={page.parent / 'browser'}", "--virtual-time-budget=3000"]
    address = f"{page.resolve().as_uri()}{fragment}"
    done = subprocess.run([*command, "--dump-dom", address], capture_output=True, timeout=120)
    return done.stdout.decode()


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
