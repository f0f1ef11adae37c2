"""A dataset host on 127.0.0.1 with the manners and the faults of real ones, and archives for it to serve."""

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image


class Host(BaseHTTPRequestHandler):
    """Serves the server's `files`; `faults` are names, used up one a request.

    "break" sends half of what was asked and closes, "busy" answers 503, "wrong" sends other bytes, "whole" ignores the
    range that was asked for.
    """

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        fault = server.faults.pop(0) if server.faults else ""
        asked = self.headers.get("Range")
        server.seen.append(asked)
        body = server.files.get(self.path.lstrip("/"))
        if body is None or fault == "busy":
            self.send_response(404 if body is None else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        tag = '"' + hashlib.sha256(body).hexdigest()[:16] + '"'
        start = 0
        if asked and fault != "whole" and self.headers.get("If-Range", tag) == tag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        if start >= len(body) > 0 and asked:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        rest = body[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if fault == "wrong":
            rest = bytes(len(rest))
        if fault == "break":
            self.wfile.write(rest[: len(rest) // 2])
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True
            return
        self.wfile.write(rest)

    def log_message(self, *arguments):
        """Say nothing."""


@contextmanager
def serving(files: dict[str, bytes], faults: list[str] | None = None) -> Iterator[tuple[str, ThreadingHTTPServer]]:
    """The host's address and the server, whose `seen` lists the ranges that were asked for."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    server.files, server.faults, server.seen = files, list(faults or []), []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server
    finally:
        server.shutdown()
        server.server_close()


def picture(seed: int, width: int = 24, height: int = 20, kind: str = "JPEG") -> bytes:
    """A photograph of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, kind)
    return held.getvalue()


def pack(path: Path, files: dict[str, bytes]) -> Path:
    """An archive of these files, of the kind that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as opened:
            for name, content in files.items():
                opened.writestr(name, content)
        return path
    mode = {".tar": "w:", ".gz": "w:gz", ".tgz": "w:gz", ".xz": "w:xz", ".bz2": "w:bz2"}[path.suffix]
    with tarfile.open(path, mode) as opened:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    return path
