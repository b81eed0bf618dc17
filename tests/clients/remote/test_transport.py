"""How the remote client sends requests: what it repeats, whom it tells its key, how it fails."""

import asyncio
import gzip
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path
from time import monotonic
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from flowkeep.clients.remote import AsyncRemoteClient, RemoteClient
from flowkeep.contracts import App, AppPatch, NewApp
from flowkeep.errors import (
    AlreadyTerminal,
    ConfigurationError,
    Conflict,
    FlowkeepError,
    InvalidInput,
    LedgerUnavailable,
    NotFound,
    OpenRunExists,
    RevisionMismatch,
    ServiceUnavailable,
    TooManyRequests,
    Unauthenticated,
)
from tests.clients.remote.tiny_server import Asked, Reply, problem, reply, tiny

KEY = "fk_0123456789abcdef_secret"
EMPTY = reply(200, {"data": [], "limit": 20, "has_more": False, "next": None})
AWAY = problem(503, "LEDGER_UNAVAILABLE")
DONE = reply(204, b"")
NEW = NewApp(id="a", name="A")
_THEN = datetime(2026, 1, 1, tzinfo=UTC)
APP = App(
    tenant_id="default", id="a", ref="a", name="A", parent=None, created_at=_THEN, updated_at=_THEN
).model_dump(mode="json")


def client(url: str, **options: Any) -> AsyncRemoteClient:
    """A client that waits a while for a server to come back."""
    return AsyncRemoteClient(url, **{"api_key": KEY, "patience_seconds": 5.0, **options})


@pytest.mark.parametrize("bad", [None, AWAY, reply(502, b"<p>", media="text/html")])
async def test_a_read_is_repeated(bad: Reply) -> None:
    """A GET is sent again after a cut connection, a 503 and a gateway's 502, until one answers."""
    async with tiny(bad, bad, EMPTY) as server, client(server.url) as remote:
        assert (await remote.apps.list()).data == ()
    assert [one.method for one in server.asked] == ["GET"] * 3
    assert len({one.headers["x-request-id"] for one in server.asked}) == 1


async def test_an_answer_that_is_cut_is_asked_for_again() -> None:
    """Half an answer is none: the GET is sent again."""
    async with tiny(EMPTY[:-5], EMPTY) as server, client(server.url) as remote:
        assert (await remote.apps.list()).limit == 20


async def test_a_post_is_repeated_under_one_key() -> None:
    """Tries of one POST have one idempotency key, and another POST another."""
    answers: list[Reply] = [None, AWAY, reply(201, APP), reply(201, APP)]
    async with tiny(*answers) as server, client(server.url) as remote:
        for _ in range(2):
            assert (await remote.apps.create(NEW)).id == "a"
    keys = [one.headers["idempotency-key"] for one in server.asked]
    assert len(keys) == 4
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert server.asked[0].body == server.asked[2].body != b""


async def test_a_post_waits_for_its_earlier_try() -> None:
    """While the service still carries out the first try, the client waits for its answer."""
    busy = problem(409, "IDEMPOTENCY_IN_PROGRESS", Retry_After="0")
    async with tiny(None, busy, reply(201, APP)) as server, client(server.url) as remote:
        await remote.apps.create(NEW)
    assert len(server.asked) == 3


async def test_a_secret_answer_is_not_asked_for_again() -> None:
    """What the service does not say twice is told as the conflict it is, after one repetition."""
    withheld = problem(409, "IDEMPOTENCY_ANSWER_WITHHELD", "was carried out")
    async with tiny(None, withheld) as server, client(server.url) as remote:
        with pytest.raises(Conflict, match="was carried out") as told:
            await remote.apps.create(NEW)
    assert told.value.code == "IDEMPOTENCY_ANSWER_WITHHELD"
    assert len(server.asked) == 2


@pytest.mark.parametrize("bad", [None, AWAY])
async def test_a_patch_is_sent_once(bad: Reply) -> None:
    """A PATCH of which nobody knows whether it was done is not repeated."""
    async with tiny(bad, reply(200, APP)) as server, client(server.url) as remote:
        with pytest.raises(FlowkeepError) as told:
            await remote.apps.update("a", AppPatch(name="B"))
    assert told.value.retryable
    assert len(server.asked) == 1


async def test_a_refused_patch_is_repeated() -> None:
    """429 says that nothing was done, so even a PATCH is sent again."""
    refused = problem(429, "TOO_MANY_REQUESTS", Retry_After="0")
    async with tiny(refused, reply(200, APP)) as server, client(server.url) as remote:
        assert (await remote.apps.update("a", AppPatch(name="B"))).id == "a"
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "UNAUTHENTICATED", Unauthenticated),
        (404, "NOT_FOUND", NotFound),
        (409, "CONFLICT", Conflict),
        (409, "OPEN_RUN_EXISTS", OpenRunExists),
        (409, "ALREADY_TERMINAL", AlreadyTerminal),
        (412, "REVISION_MISMATCH", RevisionMismatch),
        (422, "INVALID_DEFINITION", InvalidInput),
    ],
)
async def test_an_error_is_raised_as_it_is_called(
    status: int, code: str, kind: type[FlowkeepError]
) -> None:
    """Each problem becomes the error of its code, at once, with the request it belongs to."""
    async with tiny(problem(status, code, "so it is")) as server, client(server.url) as remote:
        with pytest.raises(kind) as told:
            await remote.apps.get("a")
    assert type(told.value) is kind
    assert (told.value.code, told.value.message, told.value.request_id) == (code, "so it is", "r-1")
    assert (getattr(told.value, "actual", None), getattr(told.value, "run_id", None)) == (
        None,
        None,
    )
    assert len(server.asked) == 1


async def test_a_repeated_delete_says_what_may_have_happened() -> None:
    """Not found, after a lost answer to the same DELETE, may be its own doing."""
    async with tiny(None, problem(404, "NOT_FOUND")) as server, client(server.url) as remote:
        with pytest.raises(NotFound) as told:
            await remote.apps.delete("a")
    assert "more than once" in told.value.hint


@pytest.mark.parametrize("date", [False, True])
async def test_retry_after_is_kept_to(date: bool) -> None:
    """A client comes back no earlier than it is asked to, in seconds or by date."""
    at = datetime.now(UTC) + timedelta(seconds=2)
    asked = format_datetime(at, usegmt=True) if date else "1"
    async with (
        tiny(problem(503, "LEDGER_UNAVAILABLE", Retry_After=asked), DONE) as server,
        client(server.url) as remote,
    ):
        began = monotonic()
        await remote.apps.delete("a")
        if date:
            assert datetime.now(UTC) >= at.replace(microsecond=0)
        else:
            assert monotonic() - began >= 0.9
    assert len(server.asked) == 2


async def test_patience_ends() -> None:
    """Who is asked to wait longer than their patience is told at once, once."""
    late = problem(429, "TOO_MANY_REQUESTS", Retry_After="60")
    async with tiny(late) as server, client(server.url) as remote:
        with pytest.raises(TooManyRequests):
            await remote.apps.list()
    assert len(server.asked) == 1
    async with tiny(AWAY) as server, client(server.url, patience_seconds=0) as remote:
        with pytest.raises(LedgerUnavailable):
            await remote.apps.list()
    assert len(server.asked) == 1


async def test_a_server_that_is_away_is_named() -> None:
    """A connection that nobody takes ends as ServiceUnavailable that names the place, no key."""
    async with tiny(EMPTY) as server:
        url = server.url
    async with client(url, patience_seconds=0.3) as remote:
        with pytest.raises(ServiceUnavailable, match=url) as told:
            await remote.apps.list()
    assert told.value.request_id
    assert "secret" not in f"{told.value!r} {told.value} {remote!r} {vars(remote)!r}"


async def test_a_silent_server_is_given_up() -> None:
    """An answer that does not come within the timeout ends as ServiceUnavailable."""
    waiting = asyncio.Event()

    async def silent(_: Asked) -> bytes:
        await waiting.wait()
        return EMPTY

    async with tiny(silent) as server:
        async with client(server.url, timeout_seconds=0.2, patience_seconds=0) as remote:
            with pytest.raises(ServiceUnavailable, match="in time"):
                await remote.apps.list()
        waiting.set()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_another_host_never_gets_the_key(status: int) -> None:
    """A redirect to another server is not followed, whatever the method; the error names both."""
    async with tiny(EMPTY) as other:
        away = reply(status, b"", Location=f"{other.url}/api/v1/apps")
        async with tiny(away) as server, client(server.url) as remote:
            with pytest.raises(ConfigurationError, match=other.url):
                await remote.apps.list()
            with pytest.raises(ConfigurationError, match=other.url):
                await remote.apps.create(NEW)
    assert other.asked == []


async def test_a_redirect_of_the_same_service_is_followed() -> None:
    """A redirect below the same scheme, host and port keeps method, body and key."""
    there = reply(308, b"", Location="/flowkeep/api/v1/apps")
    async with tiny(there, reply(201, APP)) as server, client(server.url) as remote:
        await remote.apps.create(NEW)
    first, second = server.asked
    assert (second.method, second.path, second.body) == (
        "POST",
        "/flowkeep/api/v1/apps",
        first.body,
    )
    assert second.headers["authorization"] == f"bearer {KEY}"
    async with (
        tiny(reply(307, b"", Location="/api/v1/apps")) as server,
        client(server.url) as remote,
    ):
        with pytest.raises(ConfigurationError, match="without end"):
            await remote.apps.list()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(200, b"<html>", media="text/html"), ConfigurationError),
        (reply(404, b"<html>", media="text/html"), ConfigurationError),
        (reply(200, {"rows": []}), ConfigurationError),
        (reply(200, b"{", media="application/json"), ConfigurationError),
        (reply(200, b"no gzip", Content_Encoding="gzip"), ConfigurationError),
        (reply(503, b"<html>", media="text/html"), ServiceUnavailable),
    ],
)
async def test_who_is_not_the_service_is_told(answer: bytes, kind: type[Exception]) -> None:
    """An answer that is none of the service becomes an error that says so, never a traceback."""
    async with tiny(answer) as server, client(server.url, patience_seconds=0) as remote:
        with pytest.raises(kind, match=r"127\.0\.0\.1"):
            await remote.apps.list()


async def test_a_newer_service_is_understood() -> None:
    """Fields that this version does not know are passed over, in answers and in problems."""
    newer = reply(200, {**APP, "mood": "blue"})
    async with tiny(newer) as server, client(server.url) as remote:
        assert (await remote.apps.get("a")).name == "A"


async def test_headers_of_a_request() -> None:
    """Requests name program and version, key and tenant, and take gzip."""
    from flowkeep import __version__

    body = gzip.compress(EMPTY.partition(b"\r\n\r\n")[2])
    async with (
        tiny(reply(200, body, Content_Encoding="gzip")) as server,
        client(server.url, tenant="acme") as remote,
    ):
        assert (await remote.apps.list()).limit == 20
    [one] = server.asked
    assert one.headers["user-agent"] == f"flowkeep/{__version__}"
    assert one.headers["authorization"] == f"bearer {KEY}"
    assert one.headers["flowkeep-tenant"] == "acme"
    assert "gzip" in one.headers["accept-encoding"]


async def test_ones_own_http_client_stays_ones_own() -> None:
    """A client that is passed in does not learn the key, and is not closed."""
    async with tiny(EMPTY) as server, httpx2.AsyncClient(base_url=server.url) as http:
        async with AsyncRemoteClient(http=http, api_key=KEY) as remote:
            await remote.apps.list()
        assert not http.is_closed
        assert "authorization" not in http.headers


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "flowkeep.example.com"},
        {"url": "ftp://host"},
        {"url": "https://user:secret@host"},
        {"url": "https://host/?key=secret"},
        {"url": "http://[::1"},
        {"api_key": "secret\nX-Other: 1"},
        {"api_key": "sécret"},
        {"tenant": ""},
    ],
)
def test_what_cannot_be_used_is_refused(wrong: dict[str, str]) -> None:
    """A URL, key or tenant that cannot be used is refused without being shown."""
    with pytest.raises(InvalidInput) as told:
        RemoteClient(**wrong)  # type: ignore[arg-type]
    assert "secret" not in f"{told.value}"


async def test_a_stream_fails_as_a_call_does() -> None:
    """A download raises the service's error, or says that it broke off; what came is handed on."""
    from flowkeep.clients.remote._async.transport import AsyncTransport

    whole = reply(200, b"x" * 100, media="application/octet-stream")
    async with (
        tiny(AWAY, whole, whole[:-40], problem(404, "NOT_FOUND")) as server,
        httpx2.AsyncClient(base_url=server.url) as http,
    ):
        transport = AsyncTransport(http, patience_seconds=5.0)
        async with transport.stream("/file") as answer:
            assert await answer.aread() == b"x" * 100
        got = bytearray()

        async def download() -> None:
            async with transport.stream("/file") as answer:
                async for part in answer.aiter_bytes():
                    got.extend(part)

        with pytest.raises(ServiceUnavailable):
            await download()
        assert got == b"x" * 60
        with pytest.raises(NotFound):
            async with transport.stream("/file"):
                pass


async def test_all_pages_of_any_list() -> None:
    """`iterate` asks for the pages of a list behind one another, with the same filter."""
    first = {"data": [APP], "limit": 1, "has_more": True, "next": "a"}
    last = {"data": [{**APP, "id": "b"}], "limit": 1, "has_more": False, "next": None}
    async with tiny(reply(200, first), reply(200, last)) as server, client(server.url) as remote:
        found = [one.id async for one in remote.iterate(remote.apps.list, parent="p", limit=1)]
    assert found == ["a", "b"]
    assert [one.path.partition("?")[2] for one in server.asked] == [
        "parent=p&limit=1",
        "parent=p&limit=1&cursor=a",
    ]


async def test_the_sync_client_does_the_same() -> None:
    """The sync client repeats, pages and fails as the async one does."""
    page = {"data": [APP], "limit": 1, "has_more": True, "next": "a"}
    async with tiny(None, AWAY, reply(200, page), EMPTY, problem(404, "NOT_FOUND")) as server:

        def work() -> list[str]:
            with RemoteClient(server.url, api_key=KEY, patience_seconds=5.0) as remote:
                names = [one.id for one in remote.iterate(remote.apps.list)]
                with pytest.raises(NotFound):
                    remote.apps.get("b")
                return names

        assert await asyncio.to_thread(work) == ["a"]
    assert len(server.asked) == 5


async def test_certificates_are_checked(tmp_path: Path) -> None:
    """A certificate that nobody vouches for ends at once; with its authority's file it serves."""
    server_side, ca_file = _certificate(tmp_path)
    async with tiny(EMPTY, tls=server_side) as server:
        async with client(server.url) as remote:
            with pytest.raises(ConfigurationError, match="not trusted"):
                await remote.apps.list()
        assert server.asked == []
        async with client(server.url, ca_file=ca_file) as remote:
            assert (await remote.apps.list()).limit == 20
    with pytest.raises(ConfigurationError, match=r"nowhere\.pem"):
        client(server.url, ca_file=tmp_path / "nowhere.pem")


def _certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS on 127.0.0.1, and the file of who signed it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "ca.pem", folder / "key.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, public
