"""`secateur report serve`: the runs of a folder and how far each is, for a browser on this machine.

It answers GET alone, on 127.0.0.1 alone, to requests that name this machine (so that no page elsewhere can reach it by
a name of its own), and sends only files on a fixed list of a run's folder, which no link may lead out of.
"""

import datetime
import http.server
import os
import shutil
import stat
import sys
import urllib.parse
from pathlib import Path
from typing import IO, Any

import jinja2

from secateur import running, shipped
from secateur.errors import SecateurError
from secateur.report.workflow import duration

FILES = {
    "report.html": "text/html; charset=utf-8",
    "report.partial.html": "text/html; charset=utf-8",
    "tables.tex": "text/plain; charset=utf-8",
    "config.json": "application/json",
}
"""What is sent of a run's folder."""
TEMPLATE = "serve.html.j2"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
SECONDS_BETWEEN_LOOKS = 2
LONGEST_PAUSE = 20.0
"""Seconds in which a browser must send or take something, else its connection is closed."""
LAST_LINES = 2000
"""Bytes at the end of a log in which its last line is looked for."""


def open_server(
    results: str | Path, port: int = 8000, assets: str | Path = "report"
) -> http.server.ThreadingHTTPServer:
    """A server for the runs under `results`, on 127.0.0.1; call `serve_forever`.

    Args:
        results: folder of the runs.
        port: 0 takes a free one; it is the server's `server_port`.
        assets: folder with serve.html.j2.

    Raises:
        SecateurError: no such folder, or the port is taken.
    """
    folder = Path(results).resolve()
    if not folder.is_dir():
        raise SecateurError(f"{results}: no such folder. Run `snakemake` first, or name the folder with --results.")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(shipped.find(Path(assets, TEMPLATE)).parent),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip

    class Handler(RunHandler):
        results = folder
        template = environment.get_template(TEMPLATE)

    try:
        return Server(("127.0.0.1", port), Handler)
    except OSError as error:
        raise SecateurError(f"port {port}: cannot be opened ({error}). Choose another one with --port.") from None


class Server(http.server.ThreadingHTTPServer):
    """Goes on whatever happens to one connection."""

    def handle_error(self, _: Any, __: Any) -> None:
        """Tell in a line what went wrong; a browser that went away before it had everything is nobody's error."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            print(f"error: a page could not be made: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


class RunHandler(http.server.BaseHTTPRequestHandler):
    """Answers `/`, `/<run>/` and `/<run>/<file>`."""

    results: Path
    template: jinja2.Template
    server_version, sys_version = "secateur", ""
    timeout = LONGEST_PAUSE

    def do_GET(self) -> None:
        """Send a page or a file, or say that there is none."""
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        if host not in ("127.0.0.1", "localhost"):
            return self._send(403, b"This server answers to 127.0.0.1 only.\n", "text/plain")
        parts = [urllib.parse.unquote(part) for part in urllib.parse.urlsplit(self.path).path.split("/")[1:]]
        match parts:
            case [""]:
                runs = [progress(path) for path in run_folders(self.results)]
                return self._page(runs=runs, run=None)
            case [name, ""] if folder := self._run(name):
                return self._page(runs=[], run=progress(folder))
            case [name, file] if file in FILES and (folder := self._run(name)) and (opened := own_file(folder / file)):
                with opened:
                    return self._send_file(opened, FILES[file], own_policy=file.endswith(".html"))
        return self._send(404, b"There is no such page. The runs are at /\n", "text/plain")

    def _run(self, name: str) -> Path | None:
        """The folder of the run called `name`: one of those listed, whatever the name holds."""
        return next((path for path in run_folders(self.results) if path.name == name), None)

    def _page(self, **context: Any) -> None:
        html = self.template.render(**context, wait=SECONDS_BETWEEN_LOOKS, duration=duration)
        self._send(200, html.encode(), "text/html; charset=utf-8")

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self._head(status, len(content), kind)
        self.wfile.write(content)

    def _send_file(self, opened: IO[bytes], kind: str, own_policy: bool) -> None:
        self._head(200, os.fstat(opened.fileno()).st_size, kind, own_policy)
        shutil.copyfileobj(opened, self.wfile)

    def _head(self, status: int, length: int, kind: str, own_policy: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        if not own_policy:  # a report has its own
            self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing of each request."""


def run_folders(results: Path) -> list[Path]:
    """Folders of runs, the one that was started last first."""
    folders = [
        path
        for path in results.iterdir()
        if path.name.isprintable() and (path / "config.json").is_file() and not path.is_symlink()
    ]
    return sorted(folders, key=lambda path: -(_time(path / running.FILE) or _time(path) or 0.0))


def own_file(path: Path) -> IO[bytes] | None:
    """A regular file, opened; None where there is none, or a link, a pipe or a device in its place."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    return None


def progress(folder: Path) -> dict[str, Any]:
    """How far a run is, as the page shows it.

    Returns:
        `name`; `state` (see running.state; "unknown" for a run without a plan that can be read); `started` in words;
        `seconds` since then, or until the end; `done` and `total` jobs of this start; `rules`: dictionaries `name done
        total`; `jobs`: those that run, dictionaries `rule log line` with the last line of the log; `files`: what can be
        opened.
    """
    about: dict[str, Any] = {
        "name": folder.name, "state": "unknown", "started": "", "seconds": 0.0, "done": 0, "total": 0, "rules": [],
        "jobs": [],
        "files": [name for name in FILES if (folder / name).is_file() and not (folder / name).is_symlink()],
    }  # fmt: skip
    try:
        plan = running.read(folder / running.FILE)
    except SecateurError:
        return about
    base = folder.parent.parent  # the plan's paths are relative to where Snakemake ran
    rules: dict[str, dict[str, Any]] = {}
    for job in plan["jobs"]:
        if job["rule"] == "all":
            continue
        row = rules.setdefault(job["rule"], {"name": job["rule"], "done": 0, "total": 0})
        row["total"] += 1
        row["done"] += _done(job, plan["started"], base)
        log = _inside(base / job["log"], folder)
        if plan["state"] == "running" and job["planned"] and log and _open(job, log, plan["started"], base):
            about["jobs"].append({"rule": job["rule"], "log": job["log"], "line": last_line(log)})
    state = running.state(plan)
    until = plan["ended"] or datetime.datetime.now().timestamp()
    return about | {
        "state": state, "rules": list(rules.values()), "jobs": about["jobs"] if state == "running" else [],
        "started": f"{datetime.datetime.fromtimestamp(plan['started']):%Y-%m-%d %H:%M}",
        "seconds": until - plan["started"] if state != "stopped" else 0.0,
        "done": sum(row["done"] for row in rules.values()), "total": sum(row["total"] for row in rules.values()),
    }  # fmt: skip


def _done(job: dict[str, Any], started: float, base: Path) -> bool:
    """Whether all that the job makes is there, and made by this start where it was to run."""
    after = started if job["planned"] else 0.0
    made = [_time(base / name) for name in job["outputs"]]
    return all(at is not None and at >= after for at in made)


def _open(job: dict[str, Any], log: Path, started: float, base: Path) -> bool:
    """Whether the job has begun to write its log, and not yet all that it makes."""
    return log.is_file() and (_time(log) or 0.0) >= started and not _done(job, started, base)


def _inside(path: Path, folder: Path) -> Path | None:
    """Where a path leads; None where that is outside of the folder, or nowhere."""
    try:
        target = path.resolve()
    except (OSError, ValueError, RuntimeError):  # links in a circle; no name of a file
        return None
    return target if target.is_relative_to(folder.resolve()) else None


def _time(path: Path) -> float | None:
    """When a file was written; None where there is none (any more), or no file can have that name."""
    try:
        return path.stat().st_mtime
    except (OSError, ValueError):
        return None


def last_line(path: Path) -> str:
    """The last line of a log that is not empty."""
    opened = own_file(path)
    if opened is None:
        return ""
    with opened:
        opened.seek(0, 2)
        opened.seek(max(0, opened.tell() - LAST_LINES))
        lines = opened.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
