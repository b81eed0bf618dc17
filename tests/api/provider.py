"""An OpenID provider on this machine: real HTTP, real signatures."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "flowkeep"
_DISCOVERY = "/.well-known/openid-configuration"


class Provider:
    """Signs tokens, and says with which keys.

    Attributes:
        issuer: Its URL.
        keys: What it publishes.
        asked: How often its keys were fetched.
        away: Answer nothing but errors.
    """

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.asked = 0
        self.away = False
        self.issuer = ""
        self.rsa = rsa.generate_private_key(65537, 2048)
        self._private: dict[str, Any] = {}
        self.publish("first", "RS256", self.rsa)

    def publish(self, name: str, algorithm: str, key: Any = None) -> None:
        """Add a key; an elliptic one when none is given."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        maker: Any = RSAAlgorithm if algorithm.startswith(("RS", "PS")) else ECAlgorithm
        public = maker.to_jwk(key.public_key(), as_dict=True)
        self.keys.append({**public, "kid": name, "alg": algorithm, "use": "sig"})
        self._private[name] = (algorithm, key)

    def withdraw(self, name: str) -> None:
        """Publish a key no more."""
        self.keys = [key for key in self.keys if key["kid"] != name]

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return good claims; a change to None leaves one out."""
        now = int(time.time())
        good = {"iss": self.issuer, "aud": AUDIENCE, "sub": "ana", "iat": now, "exp": now + 300}
        good |= {"tenant": "acme", "roles": ["admin"], **changes}
        return {name: value for name, value in good.items() if value is not None}

    def token(self, key: str = "first", **changes: Any) -> str:
        """Return a token that a key signed."""
        algorithm, private = self._private[key]
        return jwt.encode(self.claims(**changes), private, algorithm, headers={"kid": key})

    def forged(self, header: dict[str, Any], secret: bytes) -> str:
        """Return a token that claims any header, with an HMAC for a signature."""
        parts = [header, self.claims(system=True)]
        signed = b".".join(_encoded(json.dumps(part).encode()) for part in parts)
        signature = hmac.new(secret, signed, hashlib.sha256).digest()
        return (signed + b"." + _encoded(signature)).decode()

    def public_pem(self) -> bytes:
        """Return the first key as everybody may know it."""
        return self.rsa.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def document(self, path: str) -> dict[str, Any] | None:
        """Return what it says under a path."""
        if self.away:
            return None
        if path == _DISCOVERY:
            return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}
        if path == "/keys":
            self.asked += 1
            return {"keys": self.keys}
        return None


def _encoded(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


@contextmanager
def providing() -> Iterator[Provider]:
    """Run a provider on a free port."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = provider.document(self.path)
            body = json.dumps(found).encode()
            self.send_response(500 if found is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
