"""A model hub on 127.0.0.1 that takes uploads: enough of the Hugging Face hub's protocol for its true client."""

import base64
import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import yaml
from tests.listening import listening

TOKEN = "hf_test"
COMMIT = "c" * 40


@dataclass
class Hub:
    """What the hub holds: repository → file → bytes, objects of large files by their hash, and who was refused."""

    address: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def send(self, value: object, code: int = 200, headers: dict[str, str] | None = None) -> None:
            content = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(content)))
            for name, text in (headers or {}).items():
                self.send_header(name, text)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def known(self) -> bool:
            hub.requests.append(f"{self.command} {self.path}")
            if self.headers.get("Authorization") == f"Bearer {TOKEN}":
                return True
            self.body()
            self.send({"error": "Invalid username or password."}, 401)
            return False

        def do_POST(self) -> None:
            if not self.known():
                return None
            path, content = self.path.partition("?")[0], self.body()
            if path == "/api/repos/create":
                asked = json.loads(content)
                name = f"{asked.get('organization') or 'me'}/{asked['name']}"
                hub.files.setdefault(name, {})
                hub.private[name] = bool(asked.get("private") or asked.get("visibility") == "private")
                return self.send({"url": f"{hub.address}/{name}", "name": name})
            if path == "/api/validate-yaml":  # the head of a README.md must be YAML with a mapping
                head = json.loads(content)["content"].split("---")[1]
                good = isinstance(yaml.safe_load(head), dict)
                return self.send({"errors": [] if good else [{"message": "no mapping"}], "warnings": []})
            if path.endswith("/preupload/main"):
                modes = [
                    {"path": one["path"], "uploadMode": "lfs" if one["path"].endswith("safetensors") else "regular",
                     "shouldIgnore": False}
                    for one in json.loads(content)["files"]
                ]  # fmt: skip
                return self.send({"files": modes})
            if path.endswith("/info/lfs/objects/batch"):
                objects = [
                    one | {"actions": {"upload": {"href": f"{hub.address}/lfs/{one['oid']}"}}}
                    for one in json.loads(content)["objects"]
                ]
                return self.send({"transfer": "basic", "objects": objects})
            if path.endswith("/commit/main"):
                repository = path.removeprefix("/api/models/").removesuffix("/commit/main")
                for line in map(json.loads, content.decode().splitlines()):
                    self.commit(repository, line["key"], line["value"])
                return self.send({"commitUrl": f"{hub.address}/{repository}/commit/{COMMIT}", "commitOid": COMMIT,
                                  "pullRequestUrl": None})  # fmt: skip
            return self.send({"error": f"no {path}"}, 404)

        def commit(self, repository: str, key: str, value: dict[str, str]) -> None:
            if key == "header":
                hub.messages.append(value["summary"])
            elif key == "file":
                hub.files[repository][value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                hub.files[repository][value["path"]] = hub.objects[value["oid"]]

        def do_PUT(self) -> None:
            content = self.body()
            hub.objects[hashlib.sha256(content).hexdigest()] = content
            self.send(b"")

        def do_GET(self) -> None:
            if not self.known():
                return None
            path = self.path.partition("?")[0]
            if path == "/api/whoami-v2":
                return self.send({"type": "user", "name": "me", "auth": {"accessToken": {"role": "write"}}})
            for repository, files in hub.files.items():
                if path.startswith(f"/api/models/{repository}/tree/"):
                    tree = [
                        {"type": "file", "path": name, "size": len(content), "oid": COMMIT}
                        for name, content in files.items()
                    ]
                    return self.send(tree)
                if path.startswith(f"/api/models/{repository}"):
                    siblings = [{"rfilename": name} for name in files]
                    about = {"_id": "0", "id": repository, "sha": COMMIT, "siblings": siblings, "private": False,
                             "downloads": 0, "likes": 0, "tags": []}  # fmt: skip
                    return self.send(about)
                for name, content in files.items():
                    if path in (f"/{repository}/resolve/{COMMIT}/{name}", f"/{repository}/resolve/main/{name}"):
                        tag = f'"{hashlib.sha256(content).hexdigest()}"'
                        return self.send(content, headers={"X-Repo-Commit": COMMIT, "ETag": tag})
            return self.send({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextlib.contextmanager
def taking_hub() -> Iterator[Hub]:
    """A hub that listens until the end of the block; `address` is what HF_ENDPOINT must say."""
    hub = Hub()
    with listening(handler(hub)) as hub.address:
        yield hub
