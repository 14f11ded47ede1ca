"""A mirror of a Hugging Face repository on loopback, which can break off, stall, or serve other bytes than it says."""

import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse

COMMIT = "c0ffee" + "0" * 34


class Mirror:
    """Serves ``files`` of one repository; what it was asked for is in ``asked`` as (method, file, Range)."""

    def __init__(self, repo, files):
        self.repo, self.files = repo, files
        self.listing = "blobs"  # what tells of files: "names" tells no sizes and digests, "tree" is a page of its own
        self.commit = COMMIT  # what it says the commit is
        self.asked = []
        self.break_after = {}  # file → bytes after which connections end, as many times as the list has entries
        self.stall_after = {}  # file → bytes after which nothing comes any more
        self.flipped = set()  # files whose last byte is another than the listing says
        self.ranges = True
        self.stalled, self.go_on = threading.Event(), threading.Event()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                mirror.answer(self, body=False)

            def do_GET(self):
                mirror.answer(self, body=True)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"

    def downloads(self, name):
        """The ranges that were asked of a file."""
        return [given for method, file, given in self.asked if method == "GET" and file == name]

    def answer(self, request, *, body):
        path = unquote(urlparse(request.path).path)
        if path.startswith(f"/api/models/{self.repo}/revision/"):
            answer = {"id": self.repo, "sha": self.commit, "private": False, "downloads": 0}
            if self.listing != "tree":
                blobs = self.listing == "blobs"
                answer["siblings"] = [
                    {"rfilename": name, **(self.describe(name) if blobs else {})} for name in self.files
                ]
            return self.send(request, 200, json.dumps(answer).encode(), body, {"Content-Type": "application/json"})
        if path == f"/api/models/{self.repo}/tree/{COMMIT}":
            answer = [self.entry(name) for name in self.files if "/" not in name]
            return self.send(request, 200, json.dumps(answer).encode(), body, {"Content-Type": "application/json"})
        resolve = f"/{self.repo}/resolve/{COMMIT}/"
        name = path.removeprefix(resolve)
        if not path.startswith(resolve) or name not in self.files:
            return self.send(request, 404, b"{}", body, {})
        given = request.headers.get("Range")
        self.asked.append((request.command, name, given))
        data = self.files[name]
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if name in self.flipped:
            data = data[:-1] + bytes([data[-1] ^ 1])
        if given and self.ranges:
            start = int(given.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            return self.send(request, 206, data[start:], body, headers, name)
        return self.send(request, 200, data, body, headers, name)

    def describe(self, name):
        data = self.files[name]
        if name.endswith((".safetensors", ".bin")):
            sha256 = hashlib.sha256(data).hexdigest()
            return {"size": len(data), "lfs": {"size": len(data), "sha256": sha256, "pointerSize": 130}}
        return {"size": len(data), "blobId": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()}

    def entry(self, name):
        described = self.describe(name)
        lfs = described.get("lfs")
        entry = {"type": "file", "path": name, "size": described["size"], "oid": described.get("blobId", "0" * 40)}
        return entry | ({"lfs": {**lfs, "oid": lfs["sha256"]}} if lfs else {})

    def send(self, request, status, data, body, headers, name=""):
        request.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            request.send_header(key, value)
        request.end_headers()
        if not body:
            return
        with contextlib.suppress(ConnectionError):
            if self.break_after.get(name):
                request.wfile.write(data[: self.break_after[name].pop(0)])
                request.close_connection = True
            elif name in self.stall_after:
                request.wfile.write(data[: self.stall_after.pop(name)])
                request.wfile.flush()
                self.stalled.set()
                self.go_on.wait(60)
                request.close_connection = True
            else:
                request.wfile.write(data)


@contextlib.contextmanager
def serving(repo, files):
    """A mirror that answers while the block lasts."""
    mirror = Mirror(repo, files)
    thread = threading.Thread(target=mirror.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield mirror
    finally:
        mirror.go_on.set()
        mirror.server.shutdown()
        mirror.server.server_close()
        thread.join()
