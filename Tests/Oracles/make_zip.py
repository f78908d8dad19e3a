"""Makes a ZIP archive with Python's zipfile, and prints its files as JSON: name, size and SHA-256 of each.

Byte i of a content is (i * 131 + (i >> 8) * 7) & 255. Kinds: stored, deflated, zip64 (every entry says so),
stream and stream64 (written to a pipe, so lengths follow the contents), names (characters beyond ASCII), prefix (bytes
before the archive, offsets counted from the archive), selfextracting (the same, counted from the file), comment, many
(more entries than 65,535), bzip2, lzma.

usage: make_zip.py KIND ARCHIVE
"""

import hashlib
import io
import json
import sys
import zipfile


def content(size):
    return bytes((i * 131 + (i >> 8) * 7) & 255 for i in range(size))


class Pipe(io.RawIOBase):
    """A stream that cannot seek."""

    def __init__(self, file):
        self.file = file

    def writable(self):
        return True

    def write(self, data):
        return self.file.write(data)


FILES = {
    "model/encoder.onnx": content(3000),
    "model/encoder.onnx_data": content(300_000),
    "config.json": b'{"d_model": 384}\n',
    "empty.txt": b"",
}
NAMES = {"modèle/éàü.bin": content(10), "日本語.txt": content(20), "plain": content(30), "emoji 🎤.wav": content(40)}


def add(archive, files, **options):
    for name, data in files.items():
        info = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
        info.compress_type = archive.compression
        with archive.open(info, "w", **options) as target:
            target.write(data)


def main(kind, path):
    files = NAMES if kind == "names" else FILES
    methods = {"stored": zipfile.ZIP_STORED, "bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}
    method = methods.get(kind, zipfile.ZIP_DEFLATED)
    if kind == "many":
        files = {f"{i:05}": b"" for i in range(70_000)}
        method = zipfile.ZIP_STORED
    program = b"#!/bin/sh\necho 'unpack me'\n" * 100
    with open(path, "wb") as file:
        if kind == "selfextracting":
            file.write(program)
        target = Pipe(file) if kind.startswith("stream") else file
        with zipfile.ZipFile(target, "w", method) as archive:
            add(archive, files, force_zip64=kind in ("zip64", "stream64"))
            if kind == "comment":
                archive.comment = b"PK\x05\x06" + b"a comment that looks like an end" * 100
    if kind == "prefix":
        with open(path, "rb") as file:
            archive = file.read()
        with open(path, "wb") as file:
            file.write(program + archive)
    if kind != "many":
        entries = [
            {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in files.items()
        ]
        print(json.dumps(entries))


if __name__ == "__main__":
    main(*sys.argv[1:])
