"""A web server on this machine that serves a folder, and the folders in it as repositories of a model hub.

It prints its port and ends when its standard input does.

    /files/<path>               a file, with entity tag and ranges
    /drop-<N>-<B>/<path>        the same, but each of the first <N> answers ends after <B> bytes
    /slow-<B>/<path>            the same, <B> bytes at a time with pauses
    /api/models/<owner>/<repo>/revision/<any>, .../tree/<any>, /<owner>/<repo>/resolve/<any>/<path>
                                the folder hub/<owner>/<repo>
    /log                        the paths that were asked for, as JSON; bytes that were sent

usage: layout_server.py FOLDER
"""

import hashlib
import http.server
import json
import os
import pathlib
import sys
import threading
import time
import urllib.parse

ROOT = pathlib.Path(sys.argv[1])
LOCK = threading.Lock()
DROPS = {}
LOG = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        parts = path.strip("/").split("/")
        with LOCK:
            LOG.append(self.path)
        try:
            if parts[0] == "log":
                self.reply(json.dumps(LOG).encode(), "application/json")
            elif parts[0] == "api":
                self.hub("/".join(parts[2:4]), parts[4], "/".join(parts[6:]))
            elif len(parts) > 3 and parts[2] == "resolve":
                self.file(ROOT / "hub" / parts[0] / parts[1] / "/".join(parts[4:]))
            elif parts[0].startswith("drop-"):
                _, count, limit = parts[0].split("-")
                self.file(ROOT / "/".join(parts[1:]), drop=(path, int(count), int(limit)))
            elif parts[0].startswith("slow-"):
                self.file(ROOT / "/".join(parts[1:]), step=int(parts[0].split("-")[1]))
            elif parts[0] == "files":
                self.file(ROOT / "/".join(parts[1:]))
            else:
                self.send_error(404)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def reply(self, body, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def hub(self, name, what, folder):
        root = ROOT / "hub" / name
        if not root.is_dir():
            return self.send_error(404)
        files = sorted(p for p in root.rglob("*") if p.is_file())
        state = hashlib.sha1("".join(f"{p} {p.stat().st_size}" for p in files).encode()).hexdigest()
        if what == "revision":
            return self.reply(json.dumps({"sha": state}).encode(), "application/json")
        entries = []
        for path in files:
            relative = str(path.relative_to(root))
            if folder and not relative.startswith(folder + "/"):
                continue
            data = path.read_bytes()
            entry = {
                "type": "file",
                "path": relative,
                "size": len(data),
                "oid": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest(),
            }
            if len(data) > 20000:
                entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}
            entries.append(entry)
        return self.reply(json.dumps(entries).encode(), "application/json")

    def file(self, path, drop=None, step=None):
        if not path.is_file():
            return self.send_error(404)
        data = path.read_bytes()
        tag = '"%s"' % hashlib.sha256(data).hexdigest()[:16]
        start, status = 0, 200
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes=") and self.headers.get("If-Range", tag) == tag and data:
            first, _, last = wanted[6:].partition("-")
            start = int(first)
            if start >= len(data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(data)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return None
            end = min(int(last or len(data)), len(data) - 1)
            status = 206
        body = data[start : end + 1] if status == 206 else data
        self.send_response(status)
        self.send_header("ETag", tag)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(data)}")
        self.end_headers()
        if drop and len(body) > drop[2]:
            with LOCK:
                DROPS[drop[0]] = DROPS.get(drop[0], 0) + 1
                isDropped = DROPS[drop[0]] <= drop[1]
            if isDropped:
                self.wfile.write(body[: drop[2]])
                self.wfile.flush()
                self.close_connection = True
                return None
        if step:
            for begin in range(0, len(body), step):
                self.wfile.write(body[begin : begin + step])
                self.wfile.flush()
                time.sleep(0.01)
        else:
            self.wfile.write(body)
        return None


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """Clients that are killed are what these tests are about."""


def main():
    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    os._exit(0)


main()
