"""Headless Chromium, driven over WebDriver with the standard library alone."""

import base64
import json
import shutil
import struct
import subprocess
import urllib.request
import zlib
from contextlib import contextmanager

# Nothing of these may look for a host outside.
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def missing():
    """What is not on this machine; empty where a page can be looked at."""
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        return "no Chromium on this machine"
    return "" if shutil.which("chromedriver") else "no chromedriver on this machine"


class Browser:
    """One window."""

    def __init__(self, address, session):
        self.address = f"{address}/session/{session}"

    def _post(self, path, value):
        return post(f"{self.address}/{path}", value)

    def cdp(self, command, **parameters):
        """A command of the DevTools protocol."""
        return self._post("goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, path, width, *, scheme="light", scale=1, query=""):
        """Load a page at a width in CSS pixels."""
        self.resize(width, scheme=scheme, scale=scale)
        self._post("url", {"url": path.as_uri() + query})

    def resize(self, width, *, scheme="light", scale=1):
        """Set the width in CSS pixels, and whether the reader's system is dark."""
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.cdp("Emulation.setEmulatedMedia", media="", features=features)

    def enter(self, frame):
        """Run scripts in the page inside the page that has this number; None: in it."""
        self._post("frame", {"id": frame})

    def run(self, script):
        """What a function body gives."""
        return self._post("execute/sync", {"script": script, "args": []})

    def wait_for(self, script):
        """What a function body gives, as soon as it gives something true."""
        look = (
            "const done = arguments[0], body = () => {" + script + "};"
            "const look = () => { const found = body();"
            " if (found) done(found); else setTimeout(look, 20); }; look();"
        )
        return self._post("execute/async", {"script": look, "args": []})

    def screenshot(self, scale=1):
        """The whole page as PNG."""
        size = self.cdp("Page.getLayoutMetrics")["cssContentSize"]
        taken = self.cdp(
            "Page.captureScreenshot",
            captureBeyondViewport=True,
            clip={
                "x": 0,
                "y": 0,
                "width": size["width"],
                "height": size["height"],
                "scale": scale,
            },
        )
        return base64.b64decode(taken["data"])

    def pdf(self):
        """The page as it is printed on A4."""
        printed = self.cdp(
            "Page.printToPDF",
            paperWidth=8.27,
            paperHeight=11.69,
            preferCSSPageSize=True,
            printBackground=True,
        )
        return base64.b64decode(printed["data"])

    def messages(self):
        """What the console holds since it was last asked."""
        return self._post("se/log", {"type": "browser"})

    def requests(self):
        """The addresses that pages asked for since it was last asked."""
        found = []
        for entry in self._post("se/log", {"type": "performance"}):
            event = json.loads(entry["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                found.append(event["params"]["request"]["url"])
        return found


def post(address, value):
    """Send JSON, and give what comes back."""
    data = json.dumps(value).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, data, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["value"]


@contextmanager
def browser(folder):
    """A browser with a profile of its own, closed at the end."""
    command = [shutil.which("chromedriver"), "--port=0"]
    driver = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        address = None
        for line in driver.stdout:
            if "successfully on port" in line:
                port = line.rpartition("on port")[2].strip(" .\n")
                address = f"http://127.0.0.1:{port}"
                break
        options = {"args": [*QUIET, f"--user-data-dir={folder}"]}
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        session = post(f"{address}/session", {"capabilities": {"alwaysMatch": wanted}})
        opened = Browser(address, session["sessionId"])
        try:
            yield opened
        finally:
            request = urllib.request.Request(opened.address, method="DELETE")
            urllib.request.urlopen(request, timeout=60).close()
    finally:
        driver.terminate()
        driver.wait(20)
        driver.stdout.close()


def pixels(png):
    """Rows of 3 or 4 bytes a pixel, of a PNG without interlacing (RFC 2083, 6)."""
    data, at, header = b"", 8, None
    while at < len(png):
        size, kind = int.from_bytes(png[at : at + 4], "big"), png[at + 4 : at + 8]
        if kind == b"IHDR":
            header = png[at + 8 : at + 8 + size]
        elif kind == b"IDAT":
            data += png[at + 8 : at + 8 + size]
        at += size + 12
    width, height = struct.unpack(">II", header[:8])
    assert header[8] == 8
    assert header[9] in (2, 6)
    assert header[12] == 0
    step = 3 if header[9] == 2 else 4
    raw, rows = zlib.decompress(data), []
    before = bytearray(width * step)
    for i in range(height):
        start = i * (width * step + 1)
        line = bytearray(raw[start + 1 : start + 1 + width * step])
        FILTERS[raw[start]](line, before, step)
        rows.append(bytes(line))
        before = line
    return rows, step


def _sub(line, _, step):
    for i in range(step, len(line)):
        line[i] = (line[i] + line[i - step]) & 255


def _up(line, before, _):
    for i, above in enumerate(before):
        line[i] = (line[i] + above) & 255


def _average(line, before, step):
    for i, above in enumerate(before):
        left = line[i - step] if i >= step else 0
        line[i] = (line[i] + (left + above) // 2) & 255


def _paeth(line, before, step):
    for i, above in enumerate(before):
        left, corner = (line[i - step], before[i - step]) if i >= step else (0, 0)
        guess = left + above - corner
        nearest = min(
            (abs(guess - left), 0, left),
            (abs(guess - above), 1, above),
            (abs(guess - corner), 2, corner),
        )
        line[i] = (line[i] + nearest[2]) & 255


FILTERS = (lambda *_: None, _sub, _up, _average, _paeth)
