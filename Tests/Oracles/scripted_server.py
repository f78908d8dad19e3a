"""A web server on this machine that misbehaves as the path says, for the tests of downloads.

It listens on two ports, prints them in one line (and the port of a third one with TLS, when it got a certificate),
and ends when its standard input does.

    /do/<id>/<script>/<name>?size=N     the requests of an <id> walk through the script, whose steps are separated by
                                        commas; the last step is repeated
    /log/<id>                           what was asked for under that <id>, as JSON
    /api/models/..., /<owner>/<repo>/resolve/...   a model hub with one repository, see `Hub`

Steps: see `Handler.step_...`; a step's arguments follow its name after dashes. Byte i of a content is
(i * 131 + (i >> 8) * 7 + version) & 255, as the tests compute it, too.

usage: scripted_server.py [CERTIFICATE KEY]
"""

import collections
import functools
import hashlib
import http.server
import json
import ssl
import sys
import threading
import time
import urllib.parse

DATE = "Mon, 01 Jan 2024 00:00:00 GMT"
PAGE = b"<!DOCTYPE html>\n<html><body>Please log in.</body></html>\n"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 5\n"
PORTS = {}
LOCK = threading.Lock()
LOGS = collections.defaultdict(list)
STARTED = time.monotonic()


@functools.lru_cache(maxsize=64)
def content(size, version=0):
    return bytes((i * 131 + (i >> 8) * 7 + version) & 255 for i in range(size))


class Hub:
    """One repository, `someone/whisper`, with large files (kept elsewhere) and small ones; two to a page of the list.

    `closed/whisper` answers 401 without the token `hf_test` and the same files with it; `gated/whisper` always 403;
    `evil/whisper` lists a path that climbs out.
    """

    COMMIT = "0123456789abcdef0123456789abcdef01234567"
    FILES = {
        "config.json": (300, False),
        "onnx/decoder model.onnx": (5000, True),
        "onnx/encoder_model.onnx": (7000, True),
        "onnx/nested/a.bin": (0, False),
        "tokenizer.json": (900, False),
    }

    @staticmethod
    def entry(path):
        size, is_large = Hub.FILES[path]
        data = content(size)
        entry = {"type": "file", "path": path, "size": size}
        entry["oid"] = hashlib.sha1(b"blob %d\0" % size + data).hexdigest()
        if is_large:
            digest = hashlib.sha256(data).hexdigest()
            entry["oid"] = hashlib.sha1(b"pointer").hexdigest()
            entry["lfs"] = {"oid": digest, "size": size, "pointerSize": 130}
        return entry


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        parts = url.path.split("/")
        query = urllib.parse.parse_qs(url.query)
        if parts[1] == "log":
            with LOCK:
                self.send_whole(200, json.dumps(LOGS[parts[2]]).encode(), {"Content-Type": "application/json"})
        elif parts[1] == "do":
            self.do_script(parts[2], parts[3].split(","), int(query.get("size", ["1000"])[0]))
        else:
            self.do_hub(urllib.parse.unquote(url.path).split("/")[1:], query)

    def do_script(self, name, steps, size):
        with LOCK:
            number = len(LOGS[name])
            LOGS[name].append(
                {
                    "server": self.server.name,
                    "range": self.headers.get("Range"),
                    "if_range": self.headers.get("If-Range"),
                    "authorization": self.headers.get("Authorization"),
                    "time": time.monotonic() - STARTED,
                }
            )
        self.size = size
        step, *arguments = steps[min(number, len(steps) - 1)].split("-")
        getattr(self, "step_" + step)(*arguments)

    # Answers

    def send_head(self, status, headers):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, str(value))
        self.end_headers()

    def send_whole(self, status, body, headers=None):
        self.send_head(status, {"Content-Length": len(body), **(headers or {})})
        self.wfile.write(body)

    def hang_up(self):
        self.wfile.flush()
        self.close_connection = True

    def file(self, version=0, etag='"v0"', date=DATE, limit=None, honest=True, pause=None, stall=False):
        """The file as a good server sends it, except for what the arguments say."""
        data = content(self.size, version)
        headers = {"Accept-Ranges": "bytes"}
        if etag:
            headers["ETag"] = etag
        if date:
            headers["Last-Modified"] = date
        first = 0
        wish, condition = self.headers.get("Range"), self.headers.get("If-Range")
        status = 200
        if wish and (condition is None or not honest or condition in (etag, date)):
            first = int(wish.removeprefix("bytes=").removesuffix("-"))
            if first >= len(data):
                return self.send_whole(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            status = 206
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
        body = data[first:]
        self.send_head(status, {"Content-Length": len(body), **headers})
        if pause:
            for start in range(0, len(body), 1000):
                self.wfile.write(body[start : start + 1000])
                self.wfile.flush()
                time.sleep(pause)
            return
        self.wfile.write(body if limit is None else body[:limit])
        if stall:
            self.wfile.flush()
            self.connection.settimeout(20)
            try:
                self.connection.recv(1)
            except OSError:
                pass
        if limit is not None:
            self.hang_up()

    # Steps of a script

    def step_ok(self):
        self.file()

    def step_version(self, number):
        self.file(version=int(number), etag=f'"v{number}"', date=None)

    def step_drop(self, count):
        self.file(limit=int(count))

    def step_plaindrop(self, count):
        """Breaks off, and tells nothing about the file's version."""
        self.file(limit=int(count), etag=None, date=None)

    def step_plain(self):
        self.file(etag=None, date=None)

    def step_weakdrop(self, count):
        self.file(limit=int(count), etag='W/"v0"', date=None)

    def step_datedrop(self, count):
        self.file(limit=int(count), etag=None)

    def step_date(self):
        self.file(etag=None)

    def step_mixture(self, number):
        """Another version, as if it were the same one."""
        self.file(version=int(number), honest=False)

    def step_norange(self):
        del self.headers["Range"]
        self.file()

    def step_stall(self, count):
        self.file(limit=int(count), stall=True)

    def step_slow(self, milliseconds):
        self.file(pause=int(milliseconds) / 1000)

    def step_claim(self, size):
        """Announces another length than it sends; then hangs up."""
        self.send_head(200, {"Content-Length": size, "ETag": '"v0"'})
        self.wfile.write(content(self.size))
        self.hang_up()

    def step_status(self, code, after=None):
        headers = {}
        if after == "date":
            headers["Retry-After"] = self.date_time_string(int(time.time()) + 3600)
        elif after:
            headers["Retry-After"] = after
        self.send_whole(int(code), b"no\n", headers)

    def step_html(self):
        self.send_whole(200, PAGE, {"Content-Type": "text/html; charset=utf-8"})

    def step_lfs(self):
        self.send_whole(200, POINTER, {"Content-Type": "text/plain"})

    def step_chunked(self, limit=None):
        body = content(self.size)
        self.send_head(200, {"Transfer-Encoding": "chunked", "ETag": '"v0"'})
        for start in range(0, len(body), 1000):
            if limit and start >= int(limit):
                return self.hang_up()
            piece = body[start : start + 1000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def step_endless(self):
        """No length at all: the end of the connection is the end of the file."""
        self.send_head(200, {"Connection": "close"})
        self.wfile.write(content(self.size))
        self.hang_up()

    def step_unsatisfied(self):
        self.send_whole(416, b"", {"Content-Range": f"bytes */{self.size}"})

    def step_wrongrange(self):
        body = content(self.size)
        self.send_whole(206, body, {"Content-Range": f"bytes 0-{len(body) - 1}/{len(body)}", "ETag": '"v0"'})

    def step_gzip(self):
        self.send_whole(200, b"\x1f\x8b\x08", {"Content-Encoding": "gzip"})

    def step_nothing(self):
        self.hang_up()

    def step_garbage(self):
        self.wfile.write(b"SSH-2.0-server\r\n")
        self.hang_up()

    def step_hugehead(self):
        self.send_head(200, {"Content-Length": 0, **{f"X-{i}": "y" * 4000 for i in range(90)}})

    def redirect(self, target, code="302"):
        self.send_whole(int(code), b"elsewhere\n", {"Location": target})

    def step_away(self, code="302"):
        """To the same path on the other port."""
        self.redirect(f"http://127.0.0.1:{PORTS['other']}{self.path}", code)

    def step_home(self):
        self.redirect(f"http://127.0.0.1:{PORTS['first']}{self.path}")

    def step_localhost(self):
        self.redirect(f"http://localhost:{PORTS['first']}{self.path}")

    def step_relative(self, code="307"):
        self.redirect(self.path, code)

    def step_ftp(self):
        self.redirect("ftp://127.0.0.1/file")

    def step_file(self):
        self.redirect("file:///etc/hostname")

    def step_nowhere(self):
        self.send_whole(302, b"")

    # The hub

    def do_hub(self, parts, query):
        token = self.headers.get("Authorization")
        with LOCK:
            LOGS["hub"].append({"server": self.server.name, "path": self.path, "authorization": token})
        if parts[0] == "large":
            return self.hub_content(urllib.parse.unquote("/".join(parts[1:])))
        owner = parts[2] if parts[0] == "api" else parts[0]
        if owner == "closed" and token != "Bearer hf_test":
            return self.send_whole(401, b'{"error":"Invalid username or password."}')
        if owner == "gated":
            return self.send_whole(403, b'{"error":"Access to this model is restricted."}')
        if owner not in ("someone", "closed", "evil"):
            return self.send_whole(404, b'{"error":"Repository not found"}')
        if parts[0] == "api" and parts[4] == "revision":
            if parts[5] not in ("main", "refs/pr/1", "v1") and parts[5:] != ["refs", "pr", "1"]:
                return self.send_whole(404, b'{"error":"Invalid rev id"}')
            return self.send_whole(200, json.dumps({"sha": Hub.COMMIT, "id": f"{owner}/whisper"}).encode())
        if parts[0] == "api":
            return self.hub_list(owner, "/".join(parts[6:]), query)
        path = "/".join(parts[4:])
        if parts[3] != Hub.COMMIT or path not in Hub.FILES:
            return self.send_whole(404, b"Entry not found")
        if Hub.FILES[path][1]:
            return self.redirect(f"http://127.0.0.1:{PORTS['other']}/large/{urllib.parse.quote(path)}")
        self.hub_content(path)

    def hub_content(self, path):
        self.size = Hub.FILES[path][0]
        self.file()

    def hub_list(self, owner, folder, query):
        paths = sorted(path for path in Hub.FILES if path.startswith(folder + "/" if folder else ""))
        start = int(query.get("cursor", ["0"])[0])
        entries = [Hub.entry(path) for path in paths[start : start + 2]]
        if start == 0:
            entries.insert(0, {"type": "directory", "path": "onnx", "oid": "0" * 40, "size": 0})
        if owner == "evil":
            entries.append({"type": "file", "path": "../../.profile", "oid": "0" * 40, "size": 1})
        headers = {"Content-Type": "application/json"}
        if start + 2 < len(paths):
            address = f"http://{self.headers['Host']}{urllib.parse.urlsplit(self.path).path}"
            headers["Link"] = f'<{address}?recursive=true&cursor={start + 2}>; rel="next"'
        self.send_whole(200, json.dumps(entries).encode(), headers)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, address):
        """Clients that hang up are what the tests are about."""


def start(name, certificate=None):
    server = Server(("127.0.0.1", 0), Handler)
    server.name = name
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    PORTS[name] = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main():
    start("first")
    start("other")
    if len(sys.argv) == 3:
        start("tls", sys.argv[1:])
    print(*PORTS.values(), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
