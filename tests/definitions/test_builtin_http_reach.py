"""Where `core.http` may go: redirects, hosts, certificates."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from flowkeep.definitions.builtin import http_exchange
from tests.definitions.http_server import Server, ask, refused, serving


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of this test."""
    with serving() as server:
        yield server


async def test_redirects(server: Server) -> None:
    """They are followed on the same host; elsewhere only where allowed, and without the login."""
    here = await ask(f"{server.url}/to?/a")
    assert here["body"]["path"] == "/a"
    elsewhere = f"{server.url.replace('127.0.0.1', 'localhost')}/b"
    assert (await refused(f"{server.url}/to?{elsewhere}")).code == "REDIRECT_REFUSED"
    there = await ask(f"{server.url}/to?{elsewhere}", redirects="any", auth="tok-1")
    assert there["body"]["path"] == "/b"
    assert "Authorization" not in server.seen[-1][2]
    assert (await refused(f"{server.url}/to?/a", redirects="none")).code == "HTTP_302"
    seen = await ask(f"{server.url}/to?/a", expect=302)
    assert (seen["status"], seen["headers"]["location"]) == (302, "/a")


async def test_endless_redirects_end(server: Server) -> None:
    """A page that redirects to itself is given up after some times."""
    assert (await refused(f"{server.url}/round")).code == "REDIRECT_REFUSED"
    assert len(server.seen) == 6


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/latest/meta-data/", "http://[::ffff:169.254.169.254]/",
     "http://2852039166/", "http://0xa9.0xfe.0xa9.0xfe/"],
)  # fmt: skip
async def test_metadata_is_out_of_reach(server: Server, url: str) -> None:
    """Neither asked for directly nor by a redirect does a metadata service answer."""
    for error in (await refused(url), await refused(f"{server.url}/to?{url}", redirects="any")):
        assert (error.code, error.retryable) == ("HOST_REFUSED", False)


async def test_only_allowed_hosts(server: Server) -> None:
    """With a list of hosts, others are refused before anything is sent."""
    assert (await refused(f"{server.url}/a", hosts=["*.example.com"])).code == "HOST_REFUSED"
    assert server.seen == []
    assert (await ask(f"{server.url}/a", hosts=["127.0.0.0/8"]))["status"] == 200


def certificate(folder: Path) -> Path:
    """Write a certificate for `localhost` alone, with its key, and return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "localhost.pem"
    pem = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8
    file.write_bytes(
        made.public_bytes(pem) + key.private_bytes(pem, form, serialization.NoEncryption())
    )
    return file


async def test_certificates_are_checked_by_name(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it connects to an address, the certificate has to be trusted and of that name."""
    file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = f"https://localhost:{server.server_port}/a"
    http_exchange._tls.cache_clear()
    assert "CERTIFICATE_VERIFY_FAILED" in str(await refused(url))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    http_exchange._tls.cache_clear()
    try:
        assert (await ask(url))["body"]["path"] == "/a"
        error = await refused(url.replace("localhost", "127.0.0.1"))
        assert "CERTIFICATE_VERIFY_FAILED" in str(error)
    finally:
        http_exchange._tls.cache_clear()
