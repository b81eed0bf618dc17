"""Services by name: the file of profiles, in TOML.

    profile = "prod"                      # the one in use

    [profiles.prod]
    server = "https://flowkeep.example.com"
    api_key_command = ["pass", "show", "flowkeep"]

It holds keys, so it is written for its owner's eyes alone. Nothing here reads the environment.
"""

import json
import os
import shlex
import stat
import subprocess
import tempfile
import tomllib
import warnings
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator

from flowkeep.contracts.record import Record
from flowkeep.errors import ConfigurationError, InvalidInput, NotFound

DEFAULT_PLACE = Path("~/.config/flowkeep/config.toml")
_COMMAND_SECONDS = 60.0
_HEADING = "# Written by `flowkeep profile`, which keeps no comments.\n"


class Profile(Record):
    """A service and who calls it.

    Attributes:
        server: URL of the service.
        api_key: The key.
        api_key_command: A program that prints the key, with its arguments; a text is split as a
            shell would, but no shell runs it.
        tenant: The tenant to act in, for system admins.
        ca_file: Certificates of the authorities that may have signed the service's.
    """

    server: str
    api_key: SecretStr | None = None
    api_key_command: tuple[str, ...] | None = Field(default=None, min_length=1)
    tenant: str | None = None
    ca_file: Path | None = None

    @field_validator("api_key_command", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return shlex.split(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.api_key is not None and self.api_key_command is not None:
            raise ValueError("give api_key or api_key_command, not both")
        return self

    @property
    def masked_key(self) -> str | None:
        """What may be shown of where the key comes from."""
        if self.api_key_command is not None:
            return f"printed by {self.api_key_command[0]}"
        if self.api_key is None:
            return None
        key = self.api_key.get_secret_value()
        return f"{key[:7]}…" if len(key) >= 40 else "…"

    def key(self) -> str | None:
        """Return the key, from the program if one gives it.

        Raises:
            ConfigurationError: If the program fails or prints none.
        """
        if self.api_key is not None:
            return self.api_key.get_secret_value()
        return None if self.api_key_command is None else _printed(self.api_key_command)

    def options(self) -> dict[str, Any]:
        """Return the arguments of a remote client.

        Raises:
            ConfigurationError: If the program with the key fails.
        """
        ca_file = None if self.ca_file is None else self.ca_file.expanduser()
        return {
            "url": self.server,
            "api_key": self.key(),
            "tenant": self.tenant,
            "ca_file": ca_file,
        }


class Profiles(Record):
    """The file of profiles.

    Attributes:
        profile: Name of the one in use.
        profiles: All, by name.
    """

    profile: str | None = None
    profiles: dict[str, Profile] = Field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | None = None) -> "Profiles":
        """Read the file; one that does not exist has no profiles.

        Args:
            path: The file; `~/.config/flowkeep/config.toml` when left out.

        Raises:
            ConfigurationError: If it cannot be read or understood.

        Warns:
            UserWarning: If it holds a key and others of this machine can read it.
        """
        place = place_of(path)
        try:
            content = place.read_text()
            found = cls.model_validate(tomllib.loads(content))
        except FileNotFoundError:
            return cls()
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}"
                for one in error.errors(include_input=False)
            )
            raise ConfigurationError(f"{place}: {problems}") from None
        except OSError as error:
            raise ConfigurationError(f"{place} cannot be read: {error.strerror}") from None
        except ValueError:  # its words may quote a key
            raise ConfigurationError(
                f"{place} is no TOML", hint="correct it, or remove it and add its profiles again"
            ) from None
        if any(one.api_key is not None for one in found.profiles.values()):
            _warn_of_readers(place)
        return found

    def get(self, name: str | None = None) -> Profile:
        """Return a profile.

        Args:
            name: Which; the one in use when left out.

        Raises:
            NotFound: If there is none of that name, or none in use.
        """
        wanted = self.profile if name is None else name
        if wanted is None:
            raise NotFound("no profile is in use", hint="`flowkeep profile use NAME`")
        if wanted not in self.profiles:
            known = ", ".join(sorted(self.profiles)) or "none"
            raise NotFound(f"there is no profile {wanted!r}", hint=f"there are: {known}")
        return self.profiles[wanted]

    def with_profile(self, name: str, profile: Profile | None) -> "Profiles":
        """Return these with one put, or with one less.

        Args:
            name: Its name.
            profile: What to put; None removes it.

        Raises:
            InvalidInput: If it is no name.
        """
        if not (name.isprintable() and name.strip() == name != ""):
            raise InvalidInput(f"{name!r} is no name of a profile", hint="take a short word")
        kept = {key: one for key, one in self.profiles.items() if key != name}
        if profile is not None:
            kept[name] = profile
        used = self.profile if self.profile in kept else None
        return Profiles(profile=used, profiles=kept)

    def write(self, path: Path | None = None) -> Path:
        """Write the file, whole or not at all, readable by its owner alone; return where it is.

        Raises:
            ConfigurationError: If it cannot be written.
        """
        place = place_of(path).resolve()
        try:
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, made = tempfile.mkstemp(dir=place.parent, prefix=".config-")  # mode 0600
            try:
                with os.fdopen(handle, "w") as file:
                    file.write(self._toml())
                    file.flush()
                    os.fsync(handle)
                Path(made).replace(place)
            except BaseException:
                Path(made).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise ConfigurationError(f"{place} cannot be written: {error.strerror}") from None
        return place

    def _toml(self) -> str:
        lines = [_HEADING]
        if self.profile is not None:
            lines.append(f"profile = {_text(self.profile)}\n")
        for name, one in sorted(self.profiles.items()):
            lines.append(f"\n[profiles.{_text(name)}]\nserver = {_text(one.server)}\n")
            if one.api_key is not None:
                lines.append(f"api_key = {_text(one.api_key.get_secret_value())}\n")
            if one.api_key_command is not None:
                words = ", ".join(map(_text, one.api_key_command))
                lines.append(f"api_key_command = [{words}]\n")
            if one.tenant is not None:
                lines.append(f"tenant = {_text(one.tenant)}\n")
            if one.ca_file is not None:
                lines.append(f"ca_file = {_text(str(one.ca_file))}\n")
        return "".join(lines)


def place_of(path: Path | None) -> Path:
    """Return where the file of profiles is.

    Raises:
        ConfigurationError: If nobody says so and the user has no home folder.
    """
    try:
        return (path or DEFAULT_PLACE).expanduser()
    except RuntimeError:
        raise ConfigurationError(
            "no place for the file of profiles: this user has no home", hint="set FLOWKEEP_CONFIG"
        ) from None


def _text(value: str) -> str:
    """Return a TOML basic string, which JSON's escapes suit but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _warn_of_readers(place: Path) -> None:
    if os.name == "posix" and place.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        warnings.warn(f"{place} holds keys and others can read it: chmod 600 {place}", stacklevel=3)


def _printed(command: tuple[str, ...]) -> str:
    program, hint = command[0], "see api_key_command of the profile"
    try:
        done = subprocess.run(  # noqa: S603  # the user's own words
            command, stdout=subprocess.PIPE, timeout=_COMMAND_SECONDS, check=False
        )
    except OSError as error:
        raise ConfigurationError(f"{program} cannot be run: {error.strerror}", hint=hint) from None
    except subprocess.TimeoutExpired:
        raise ConfigurationError(
            f"{program} printed no key within {_COMMAND_SECONDS:g} s", hint=hint
        ) from None
    if done.returncode != 0:
        raise ConfigurationError(f"{program} ended with {done.returncode}", hint=hint)
    key = done.stdout.decode(errors="replace").strip()
    if not key:
        raise ConfigurationError(f"{program} printed no key", hint=hint)
    return key
