"""Bearer tokens of an OpenID provider: JSON Web Tokens (RFC 7519) with asymmetric signatures."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import jwt

from flowkeep.api.loopback import is_loopback
from flowkeep.api.provider_keys import ProviderKeys
from flowkeep.contracts.api.access import Principal, Role
from flowkeep.errors import ConfigurationError, Unauthenticated
from flowkeep.settings import ApiSettings

ALGORITHMS = frozenset(
    f"{family}{bits}" for family in ("RS", "PS", "ES") for bits in (256, 384, 512)
) | {"EdDSA"}
"""What a token may be signed with. Never `none`, and never a secret that a public key could pass
for (RFC 8725, sections 2.1 and 3.1)."""
LEEWAY_SECONDS = 30
"""How far the clocks of provider and service may differ."""
MOST_CHARACTERS = 16_384
_LAST_SECOND = 2**37
SYSTEM = "system"
"""What a provider's role is mapped to whose bearers administer the whole installation."""


class Tokens:
    """Reads tokens as the settings say.

    Args:
        settings: Issuer, audience and names of claims.

    Raises:
        ConfigurationError: If they cannot be used.
    """

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._roles = _role_map(settings.oidc_roles)
        self._issuer = _secure(settings.oidc_issuer or "", "FLOWKEEP_API_OIDC_ISSUER")
        if settings.oidc_jwks_url is not None:
            _secure(settings.oidc_jwks_url, "FLOWKEEP_API_OIDC_JWKS_URL")
        if not settings.oidc_audience:
            raise ConfigurationError(
                "tokens of an OpenID provider need an audience",
                hint="set FLOWKEEP_API_OIDC_AUDIENCE to what its tokens for this service name",
            )
        self._keys = ProviderKeys(self._issuer, settings.oidc_jwks_url)

    async def read(self, token: str) -> tuple[Principal, datetime]:
        """Return whom a token stands for, and when it expires.

        Raises:
            Unauthenticated: If it is not valid; says why only where that helps its owner.
            SourceUnavailable: If the provider cannot be asked for its keys.
        """
        claims = await self._verified(token)
        subject = _claim(claims, self._settings.oidc_subject_claim)
        tenant = _claim(claims, self._settings.oidc_tenant_claim)
        tenant = self._settings.oidc_tenant if tenant is None else tenant
        if not _is_name(subject) or not _is_name(tenant):
            raise Unauthenticated("the token does not name a subject and a tenant")
        role, system = self._role(_claim(claims, self._settings.oidc_role_claim))
        apps = _claim(claims, self._settings.oidc_app_roles_claim)
        given = {
            app: self._role(value)[0]
            for app, value in (apps if isinstance(apps, dict) else {}).items()
            if _is_name(app)
        }
        principal = Principal(
            subject=subject,
            tenant_id=tenant,
            role=role,
            app_roles={app: known for app, known in given.items() if known is not None},
            system=system,
            via="token",
        )
        return principal, datetime.fromtimestamp(min(int(claims["exp"]), _LAST_SECOND), UTC)

    async def _verified(self, token: str) -> Mapping[str, Any]:
        invalid = Unauthenticated("the token is not valid")
        if len(token) > MOST_CHARACTERS:
            raise invalid
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise invalid from None
        algorithm, key_id = header.get("alg"), header.get("kid")
        known = isinstance(algorithm, str) and algorithm in ALGORITHMS
        if not known or "crit" in header:
            raise invalid
        key = await self._keys.find(key_id, str(algorithm))
        if key is None:
            raise invalid
        try:
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[str(algorithm)],
                issuer=self._issuer,
                audience=self._settings.oidc_audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("the token is expired") from None
        except jwt.ImmatureSignatureError:
            raise Unauthenticated("the token is not valid yet") from None
        except (jwt.PyJWTError, ValueError):
            raise invalid from None
        return claims

    def _role(self, value: Any) -> tuple[Role | None, bool]:
        """Return the highest role that a claim grants, and whether it makes a system admin."""
        words = value.split() if isinstance(value, str) else value
        granted = {
            self._roles[word]
            for word in (words if isinstance(words, list) else [])
            if isinstance(word, str) and word in self._roles
        }
        if SYSTEM in granted:
            return Role.ADMIN, True
        return next((role for role in reversed(Role) if role.value in granted), None), False

    async def close(self) -> None:
        """Close the connections to the provider."""
        await self._keys.close()


def _role_map(pairs: tuple[str, ...]) -> dict[str, str]:
    """Return our roles by the provider's; alike by name where nothing is said."""
    if not pairs:
        return {role.value: role.value for role in Role}
    found = {}
    for pair in pairs:
        theirs, mark, ours = pair.rpartition("=")
        if not mark or ours not in {*Role, SYSTEM}:
            raise ConfigurationError(
                f"FLOWKEEP_API_OIDC_ROLES holds {pair!r}",
                hint=f"use theirs=ours, ours being one of {', '.join(Role)}, {SYSTEM}",
            )
        found[theirs] = ours
    return found


def _secure(url: str, variable: str) -> str:
    """Return a URL at which nobody on the way can pass for the provider."""
    parts = urlsplit(url)
    local = parts.scheme == "http" and is_loopback(parts.hostname)
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise ConfigurationError(f"{variable} is {url!r}", hint="use an https:// URL")
    return url


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim by its name; a name with dots leads into objects, as in `realm.roles`."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for step in name.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return found


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable()
