"""An object store in a process of its own, to be killed: the part of S3's protocol that is used.

`python -m tests.extraction.object_store FOLDER PORT` serves one bucket. Objects are files that
appear whole, and each one that was stored is a line of the journal, so both outlive the process.
"""

import asyncio
import hashlib
import os
import re
import socket
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.support import eventually

BUCKET = "bucket"


class Handler(BaseHTTPRequestHandler):
    """PUT, GET, HEAD, DELETE, listing and bulk deletes."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    folder: Path

    def do_PUT(self) -> None:
        path = self._path()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{id(self)}")
        temporary.write_bytes(body)
        temporary.replace(path)
        with (self.folder / "journal").open("a") as journal:
            journal.write(f"{path.relative_to(self.folder / 'objects')}\n")
        self._answer(200, b"", body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if "list-type" in query:
            return self._list(query.get("prefix", [""])[0])
        try:
            body = self._path().read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            return self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        return self._answer(200, body, body)

    def do_DELETE(self) -> None:
        self._path().unlink(missing_ok=True)
        self._answer(204, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        keys = re.findall("<Key>(.*?)</Key>", body)
        for key in keys:
            (self.folder / "objects" / unquote(key)).unlink(missing_ok=True)
        done = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        self._answer(200, f"<DeleteResult>{done}</DeleteResult>".encode())

    def _list(self, prefix: str) -> None:
        objects = self.folder / "objects"
        found = ""
        for path in sorted((objects / prefix).rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                found += (
                    f"<Contents><Key>{escape(str(path.relative_to(objects)))}</Key>"
                    f"<Size>{path.stat().st_size}</Size><ETag>{_etag(path.read_bytes())}</ETag>"
                    "<LastModified>2025-03-03T10:00:00.000Z</LastModified></Contents>"
                )
        self._answer(
            200,
            f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode(),
        )

    def _path(self) -> Path:
        key = unquote(urlsplit(self.path).path).removeprefix(f"/{BUCKET}/")
        return self.folder / "objects" / key

    def _answer(self, status: int, body: bytes, content: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", _etag(content))
        self.send_header("Last-Modified", "Mon, 03 Mar 2025 10:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


class ObjectStore:
    """The process, as its tests see it.

    Args:
        folder: Where objects and journal lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "objects").mkdir(parents=True)
        (folder / "journal").touch()
        self._process: asyncio.subprocess.Process | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port: int = free.getsockname()[1]

    @property
    def url(self) -> str:
        """Storage URL, the same after every start."""
        return (
            f"s3://{BUCKET}?endpoint=http://127.0.0.1:{self._port}&allow_http=true&region=x"
            "&access_key_id=i&secret_access_key=s"
        )

    async def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.extraction.object_store"),
            *(str(self._folder), str(self._port)),
        )

        def answers() -> None:
            try:
                socket.create_connection(("127.0.0.1", self._port), 1).close()
            except OSError:
                raise AssertionError("the object store does not answer yet") from None

        await eventually(answers, timeout=30)

    async def kill(self) -> None:
        """End it by SIGKILL; what it stored stays."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    def stored(self, prefix: str) -> Counter[str]:
        """How often each object below a prefix was stored."""
        lines = (self._folder / "journal").read_text().splitlines()
        return Counter(line for line in lines if line.startswith(prefix))


def main(folder: str, port: str) -> None:
    """Serve until killed, or until the tests are gone."""
    Handler.folder = Path(folder)
    parent = os.getppid()
    with ThreadingHTTPServer(("127.0.0.1", int(port)), Handler) as server:
        server.timeout = 1
        while os.getppid() == parent:
            server.handle_request()


if __name__ == "__main__":
    main(*sys.argv[1:])
