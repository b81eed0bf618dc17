"""Object storage: local folders, and the errors of others."""

import io
import os
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from flowkeep.errors import ConfigurationError, NotFound, SourceUnavailable
from flowkeep.storage import Storage, redact_url
from flowkeep.storage.errors import classify


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """An empty local storage whose folder does not exist yet."""
    return Storage((tmp_path / "some folder" / "ü").as_uri())


def test_what_is_put_can_be_read(storage: Storage) -> None:
    """Bytes, size, existence and listing agree; a second put replaces the first."""
    first = storage.put("a/b c/=2F.bin", b"one")
    second = storage.put("a/b c/=2F.bin", b"three")
    assert (second.size, second.key) == (5, "a/b c/=2F.bin")
    assert first.etag != second.etag
    assert storage.get("a/b c/=2F.bin") == b"three"
    assert storage.head("a/b c/=2F.bin") == second
    assert storage.exists("a/b c/=2F.bin")
    assert not storage.exists("a/b c")
    assert list(storage.list()) == [second]
    assert list(storage.list("a")) == [second]
    assert list(storage.list("b")) == []


def test_local_files_lie_where_the_path_says(storage: Storage) -> None:
    """`local_path` names the file itself."""
    storage.put("x/y", b"z")
    path = storage.local_path("x/y")
    assert path is not None
    assert path.read_bytes() == b"z"
    assert storage.url_of("x/y") == path.as_uri()


def test_large_files_are_uploaded_in_pieces(storage: Storage) -> None:
    """A file above the multipart size arrives whole; hash and download agree."""
    content = os.urandom(1024) * 20_000
    file = io.BytesIO(content)
    file.seek(17)
    assert storage.upload("large", file).size == len(content)
    copy = io.BytesIO()
    storage.download("large", copy)
    assert copy.getvalue() == content
    storage.put("same", content)
    assert storage.sha256("large") == storage.sha256("same")


def test_a_reader_never_sees_half_an_object(storage: Storage) -> None:
    """While one thread replaces an object again and again, readers get one version or another."""
    versions = [bytes([number]) * 300_000 for number in range(2)]
    storage.put("x", versions[0])
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for version in versions:
                storage.put("x", version)

    writer = threading.Thread(target=write)
    writer.start()
    seen = {storage.get("x") for _ in range(300)}
    stop.set()
    writer.join()
    assert seen <= set(versions)


def test_what_is_missing_is_not_found(storage: Storage) -> None:
    """Reads of a missing object name it; deleting it again is fine."""
    storage.put("there", b"")
    for read in (storage.get, storage.size, storage.sha256, storage.head):
        with pytest.raises(NotFound, match="nowhere"):
            read("nowhere")
    storage.delete("there")
    storage.delete("there")
    assert not storage.exists("there")


@pytest.mark.parametrize("folder", ["file", "file/below"])
def test_a_folder_that_cannot_be_written_is_a_configuration_error(
    tmp_path: Path, folder: str
) -> None:
    """The URL and the setting are in the message; it is not retried."""
    (tmp_path / "file").write_text("in the way")
    storage = Storage((tmp_path / folder).as_uri())
    with pytest.raises(ConfigurationError, match="FLOWKEEP_STORAGE_URL") as caught:
        storage.check_writable("tenant")
    assert str(tmp_path / folder) in str(caught.value)
    assert not caught.value.retryable


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_a_configuration_error(tmp_path: Path) -> None:
    """Missing rights are not retried."""
    (tmp_path / "mine").mkdir(mode=0o500)
    with pytest.raises(ConfigurationError):
        Storage((tmp_path / "mine").as_uri()).put("x", b"")


def test_a_disk_that_is_full_is_retried() -> None:
    """Somebody may make room."""
    full = OSError("Unable to copy: No space left on device (os error 28)")
    error = classify(full, "write x", "file", True)
    assert isinstance(error, SourceUnavailable)


def test_a_check_of_the_output_leaves_nothing(storage: Storage) -> None:
    """The probe object is deleted."""
    storage.check_writable()
    storage.check_writable("a/b/")
    assert list(storage.list()) == []


def test_a_relative_path_starts_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`file://folder/below` means what people mean by it, even after a change of directory."""
    monkeypatch.chdir(tmp_path)
    storage = Storage("file://.flowkeep/storage")
    monkeypatch.chdir("/")
    storage.put("x", b"1")
    assert (tmp_path / ".flowkeep" / "storage" / "x").read_bytes() == b"1"


@pytest.mark.parametrize("url", ["", "folder", "/folder"])
def test_a_url_without_scheme_says_what_to_write(url: str) -> None:
    """A plain path is no URL."""
    with pytest.raises(ConfigurationError, match="file:///folder"):
        Storage(url)


@pytest.mark.parametrize("url", ["s4://bucket", "az://", "s3://bucket?no_such_option=1"])
def test_a_url_that_no_store_understands_is_a_configuration_error(url: str) -> None:
    """Unknown schemes and options are told at the first use."""
    with pytest.raises(ConfigurationError, match="FLOWKEEP_STORAGE_URL"):
        Storage(url).put("x", b"")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://key:secret@bucket/prefix", "s3://bucket/prefix"),
        (
            "s3://bucket?secret_access_key=abc&region=eu",
            "s3://bucket?secret_access_key=***&region=eu",
        ),
        ("az://a/c?sas_key=x&sig=y", "az://a/c?sas_key=***&sig=***"),
        ("file:///a%20b", "file:///a%20b"),
    ],
)
def test_credentials_in_a_url_are_never_shown(url: str, shown: str) -> None:
    """User information and secret options are left out of messages."""
    assert redact_url(url) == shown
    assert Storage(url).url == shown


class Bucket(BaseHTTPRequestHandler):
    """The part of S3's protocol that writing, reading and a missing bucket need."""

    objects: dict[str, bytes]
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.startswith("/there/"):
            return self._answer(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        if self.path.endswith("refused"):
            return self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")
        self.server.objects[unquote(self.path)] = body  # type: ignore[attr-defined]
        return self._answer(200, b"")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        found = self.server.objects.get(unquote(self.path))  # type: ignore[attr-defined]
        if found is None:
            return self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        return self._answer(200, found)

    def do_POST(self) -> None:
        """Delete the objects that the body lists."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        folder = self.path.partition("?")[0]
        keys = re.findall("<Key>(.*?)</Key>", body)
        for key in keys:
            self.server.objects.pop(f"{folder}/{key}", None)  # type: ignore[attr-defined]
        done = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self._answer(200, f"<DeleteResult>{done}</DeleteResult>".encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Mon, 03 Mar 2025 10:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    """Options of a URL that lead to a bucket named `there`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as server:
        server.objects = {}  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        yield (
            f"?endpoint={address}&allow_http=true&region=x&access_key_id=canary-id"
            "&secret_access_key=canary-secret"
        )
        server.shutdown()


def test_s3_is_written_and_read(endpoint: str) -> None:
    """Keys go below the prefix of the URL; there is no local path."""
    storage = Storage(f"s3://there/prefix{endpoint}")
    storage.put("a/b=2F", b"content")
    assert storage.get("a/b=2F") == b"content"
    storage.delete("a/b=2F")
    assert not storage.exists("a/b=2F")
    storage.check_writable("x")
    assert storage.local_path("a") is None
    assert storage.url_of("a/b") == "s3://there/prefix/a/b"


@pytest.mark.parametrize(("bucket", "key"), [("elsewhere", "x"), ("there", "refused")])
def test_a_bucket_that_is_missing_or_closed_is_a_configuration_error(
    endpoint: str, bucket: str, key: str
) -> None:
    """Neither is retried, and no credential is in the message."""
    with pytest.raises(ConfigurationError, match=f"s3://{bucket}") as caught:
        Storage(f"s3://{bucket}{endpoint}").put(key, b"")
    assert "canary" not in str(caught.value)


def test_a_store_that_cannot_be_reached_is_retried() -> None:
    """Nobody listens at the endpoint."""
    storage = Storage(
        "s3://there?endpoint=http://127.0.0.1:1&allow_http=true&region=x"
        "&access_key_id=i&secret_access_key=s"
    )
    with pytest.raises(SourceUnavailable):
        storage.put("x", b"")
