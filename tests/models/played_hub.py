"""A model hub on 127.0.0.1: enough of the Hugging Face hub's protocol for its true client to fetch files from it."""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.listening import listening

COMMITS = {"first": "1" * 40, "second": "2" * 40}


@dataclass
class Hub:
    """What the hub holds: repository → branch or commit → commit, and (repository, commit, file) → bytes."""

    address: str = ""
    revisions: dict[str, dict[str, str]] = field(default_factory=dict)
    files: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def publish(self, repository: str, commit: str, name: str, content: Path) -> None:
        """Add a commit with one file; `main` is the last commit."""
        self.revisions.setdefault(repository, {})[commit] = commit
        self.revisions[repository]["main"] = commit
        self.files[repository, commit, name] = content.read_bytes()


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, body: bool) -> None:
            hub.requests.append(f"{self.command} {self.path}")
            parts = self.path.partition("?")[0].strip("/").split("/")
            repository = "/".join(parts[:2])
            if len(parts) < 5 or parts[2] != "resolve" or repository not in hub.revisions:
                return self.refuse("RepoNotFound")
            commit = hub.revisions[repository].get(parts[3])
            if commit is None:
                return self.refuse("RevisionNotFound")
            content = hub.files.get((repository, commit, "/".join(parts[4:])))
            if content is None:
                return self.refuse("EntryNotFound", commit)
            self.send_response(200)
            self.send_header("X-Repo-Commit", commit)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)
            return None

        def refuse(self, code: str, commit: str = "") -> None:
            self.send_response(404)
            self.send_header("X-Error-Code", code)
            if commit:
                self.send_header("X-Repo-Commit", commit)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.answer(body=True)

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextlib.contextmanager
def played_hub() -> Iterator[Hub]:
    """A hub that listens until the end of the block; `address` is what HF_ENDPOINT must say."""
    hub = Hub()
    with listening(handler(hub)) as hub.address:
        yield hub
