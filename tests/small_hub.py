"""A hub on loopback, as small as huggingface_hub's own client needs: repositories with one branch, files kept whole."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hub(BaseHTTPRequestHandler):
    """Answers the client; `repositories` holds (commit, files) by name."""

    repositories: dict[str, tuple[str, dict[str, bytes]]]
    private: set[str]
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def answer(self, content: Any, status: int = 200, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, code: str, status: int = 404) -> None:
        self.answer({"error": code}, status, X_Error_Code=code)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_POST(self) -> None:
        body, path = self.body(), self.path.partition("?")[0]
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
            self.repositories.setdefault(name, ("0" * 40, {}))
            if asked.get("private") or asked.get("visibility") == "private":
                self.private.add(name)
            self.answer({"url": f"http://{self.headers['Host']}/{name}", "name": name, "id": name})
        elif path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif found := re.fullmatch(r"/api/models/(.+)/preupload/.+", path):
            files = json.loads(body)["files"]
            kept = [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in files]
            self.answer({"files": kept})
        elif found := re.fullmatch(r"/api/models/(.+)/commit/.+", path):
            lines = [json.loads(line) for line in body.splitlines() if line]
            files = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            commit, place = hashlib.sha1(body).hexdigest(), f"http://{self.headers['Host']}/{found[1]}"
            self.repositories[found[1]] = (commit, {**self.repositories[found[1]][1], **files})
            self.answer(
                {
                    "commitUrl": f"{place}/commit/{commit}",
                    "commitOid": commit,
                    "success": True,
                }
            )
        else:
            self.refuse("Unknown")

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?/?", path):
            name, what, revision = found.groups()
            if name not in self.repositories:
                return self.refuse("RepoNotFound")
            commit, files = self.repositories[name]
            if revision not in (None, "main", commit):
                return self.refuse("RevisionNotFound")
            if what == "tree":
                return self.answer(
                    [{"type": "file", "path": file, "size": len(c), "oid": tag(c)} for file, c in files.items()]
                )
            siblings = [{"rfilename": file} for file in files]
            return self.answer({"id": name, "modelId": name, "sha": commit, "siblings": siblings, "private": False})
        if (found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)) and found[1] in self.repositories:
            commit, files = self.repositories[found[1]]
            if found[3] not in files:
                return self.refuse("EntryNotFound")
            content = files[found[3]]
            return self.answer(content, ETag=f'"{tag(content)}"', X_Repo_Commit=commit)
        return self.refuse("RepoNotFound")

    def do_HEAD(self) -> None:
        self.do_GET()


def tag(content: bytes) -> str:
    """The name of a content."""
    return hashlib.sha1(content).hexdigest()


@contextmanager
def small_hub() -> Iterator[tuple[str, type[Hub]]]:
    """Run the hub; yields its address and its class, whose ``repositories`` may be read."""
    handler = type("Own", (Hub,), {"repositories": {}, "private": set()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
