"""Holds a crate against the Workflow Run Crate profile by the registry's validator, without the network.

Run by tests/review/test_crate.py in a process whose packages are the validator's: python validate_crate.py <folder>
prints one problem per line. What the validator would fetch, the two JSON-LD contexts, is answered here: every term of
the crate as the contexts of RO-Crate 1.1 and of workflow runs have it.
"""

import email.message
import io
import json
import sys
import urllib.request
from pathlib import Path

import rdflib._networking
import rdflib.parser
import requests.adapters
import urllib3
from rocrate_validator import models, services

FOLDER = Path(sys.argv[1])
OTHERS = {
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
    "conformsTo": "http://purl.org/dc/terms/conformsTo",
    "File": "http://schema.org/MediaObject",
}
"""Terms that are not schema.org's own under their name."""


def context() -> bytes:
    graph = json.loads((FOLDER / "ro-crate-metadata.json").read_text(encoding="utf-8"))["@graph"]
    kinds = [one["@type"] if isinstance(one["@type"], list) else [one["@type"]] for one in graph]
    terms = {key for one in graph for key in one if key[0] != "@"} | {kind for each in kinds for kind in each}
    return json.dumps({"@context": {term: OTHERS.get(term, f"http://schema.org/{term}") for term in terms}}).encode()


class Answer(io.BytesIO):
    """What urlopen gives."""

    def __init__(self, url: str) -> None:
        super().__init__(context())
        self.url, self.status, self.headers = url, 200, email.message.Message()
        self.headers["Content-Type"] = "application/ld+json"

    def geturl(self) -> str:
        return self.url

    def info(self) -> email.message.Message:
        return self.headers


def opened(request, *_, **__):
    url = request if isinstance(request, str) else request.full_url
    if not url.endswith("context"):
        raise OSError(f"no network here: {url}")
    return Answer(url)


def sent(_, request, **__):
    if not request.url.endswith("context"):
        raise requests.ConnectionError(f"no network here: {request.url}")
    body, kind = context(), {"Content-Type": "application/ld+json"}
    found = requests.Response()
    found.status_code, found._content, found.url, found.request = 200, body, request.url, request
    found.headers.update(kind)
    found.raw = urllib3.HTTPResponse(io.BytesIO(body), kind, 200, preload_content=False, request_url=request.url)
    return found


for module in (urllib.request, rdflib.parser, rdflib._networking):
    for name in ("urlopen", "_urlopen"):
        if hasattr(module, name):
            setattr(module, name, opened)
requests.adapters.HTTPAdapter.send = sent
asked = services.ValidationSettings(
    rocrate_uri=str(FOLDER),
    profile_identifier="workflow-run-crate",
    requirement_severity=models.Severity.REQUIRED,
    skip_availability_check=True,
)
for issue in services.validate(asked).get_issues():
    print(issue.check.identifier, issue.message)
