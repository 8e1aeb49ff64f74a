"""A question to the page in a real, headless Chromium; the page sends its answer back by POST."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from headwise.errors import HeadwiseError

Json = dict[str, Any]

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # containers give root no sandbox; the only page it opens is ours
    "--disable-gpu",
    "--disable-dev-shm-usage",  # /dev/shm of a container is small
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # the page must need nothing from elsewhere
)
POLL_S = 0.5
PATIENCE_S = 10.0  # for a Chromium that was asked to end


class NoChromiumError(HeadwiseError):
    """This machine has none."""


def executable() -> str:
    """Where Chromium is. Raises NoChromiumError."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise NoChromiumError(f"none of {', '.join(NAMES)} is installed: apt-get install chromium")
    return found


def version() -> str:
    """As Chromium says it."""
    said = subprocess.run([executable(), "--version"], capture_output=True, text=True, check=False)
    return said.stdout.strip()


def ask(question: Json, dist: Path, timeout_s: float = 180.0) -> Json:
    """The answer of the page in `dist` to a question; both are described in asked.js.

    Raises NoChromiumError, and HeadwiseError when the page fails or says nothing in that time.
    """
    with _served(dist, question) as server, _opened(f"{server.url}/index.html?asked") as (process, log):
        answer = _wait_for(server.answers, process, log, timeout_s)
    if "error" in answer:
        raise HeadwiseError(f"the page in Chromium failed: {answer['error']}")
    return answer


class _Server(ThreadingHTTPServer):
    """Serves one folder, one question, and takes one answer."""

    daemon_threads = True

    def __init__(self, dist: Path, question: Json) -> None:
        self.dist = dist
        self.question = json.dumps(question).encode()
        self.answers: queue.Queue[Json] = queue.Queue()
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(SimpleHTTPRequestHandler):
    server: _Server
    extensions_map = {
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",  # a browser refuses modules of any other type
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".json": "application/json",
    }

    def __init__(self, request: Any, client_address: Any, server: _Server) -> None:
        super().__init__(request, client_address, server, directory=str(server.dist))

    def do_GET(self) -> None:
        if self.path != "/question.json":
            return super().do_GET()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.server.question)))
        self.end_headers()
        self.wfile.write(self.server.question)
        return None

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(HTTPStatus.NO_CONTENT)
        self.end_headers()
        self.server.answers.put(json.loads(body))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a line for every file would hide what matters."""


@contextmanager
def _served(dist: Path, question: Json) -> Iterator[_Server]:
    with _Server(dist, question) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _opened(url: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Chromium with a new, empty profile, and the file of what it says."""
    with TemporaryDirectory(prefix="headwise-chromium-", ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "said.txt"
        command = [executable(), *FLAGS, f"--user-data-dir={folder}/profile", url]
        with log.open("wb") as said:
            process = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
        try:
            yield process, log
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Chromium is many processes: the group that it leads ends with it."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, kind)
            process.wait(PATIENCE_S)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _wait_for(
    answers: queue.Queue[Json], process: subprocess.Popen[bytes], log: Path, timeout_s: float
) -> Json:
    for _ in range(max(1, round(timeout_s / POLL_S))):
        try:
            return answers.get(timeout=POLL_S)
        except queue.Empty:
            if process.poll() is not None:
                break
    state = "is still running" if process.poll() is None else f"ended with code {process.returncode}"
    last = " ".join(log.read_text(encoding="utf-8", errors="replace").split())[-300:]
    raise HeadwiseError(f"no answer from the page within {timeout_s:g} s; Chromium {state} and said: {last}")
