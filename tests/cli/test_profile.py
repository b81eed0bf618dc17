"""`flowkeep profile`, and the file it keeps."""

import json
import stat
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from flowkeep.cli.app import CALL_FAILED, OK, USAGE, cli
from flowkeep.clients.profiles import Profile, Profiles
from flowkeep.clients.remote import RemoteClient
from flowkeep.errors import ConfigurationError, InvalidInput, NotFound

KEY = "fk_0123456789abcdef_" + "s" * 43
URL = "https://flowkeep.example.com"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Where the file is to be; its folder does not exist yet."""
    return tmp_path / "new" / "config.toml"


def call(config: Path, *words: str, stdin: str = "") -> Result:
    """Run a command line."""
    environment = {"FLOWKEEP_CONFIG": str(config)}
    return CliRunner().invoke(cli, words, input=stdin, env=environment, prog_name="flowkeep")


def ask(config: Path, *words: str) -> Any:
    """Run a command line that must succeed and print JSON."""
    done = call(config, *words, "-o", "json")
    assert done.exit_code == OK, done.output
    return json.loads(done.stdout)


def test_a_profile_from_its_beginning_to_its_end(config: Path) -> None:
    """Added, listed, used, shown and removed; the key is stored, and shown nowhere."""
    added = call(config, "profile", "add", "prod", "--server", URL, stdin=f"{KEY}\n")
    assert added.exit_code == OK, added.output
    call(config, "profile", "add", "lab", "--server", f"{URL}/lab/", "--no-key", "--tenant", "acme")
    assert tomllib.loads(config.read_text()) == {
        "profiles": {
            "lab": {"server": f"{URL}/lab", "tenant": "acme"},
            "prod": {"server": URL, "api_key": KEY},
        }
    }
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert call(config, "profile", "use", "prod").exit_code == OK
    listed = ask(config, "profile", "list")["data"]
    assert [(one["profile"], one["in use"]) for one in listed] == [("lab", False), ("prod", True)]
    shown = call(config, "profile", "show")
    assert URL in shown.output
    assert KEY[12:] not in added.output + shown.output + json.dumps(listed)
    assert call(config, "profile", "remove", "prod", "--yes").exit_code == OK
    assert Profiles.read(config).profile is None
    assert call(config, "profile", "show", "prod").exit_code == CALL_FAILED
    assert call(config, "profile", "show").exit_code == CALL_FAILED


def test_none_is_used_again(config: Path) -> None:
    """`use --none` leaves profiles as they are, and none in use."""
    call(config, "profile", "add", "lab", "--server", URL, "--no-key")
    call(config, "profile", "use", "lab")
    assert call(config, "profile", "use", "--none").exit_code == OK
    assert Profiles.read(config) == Profiles(profiles={"lab": Profile(server=URL)})


@pytest.mark.parametrize(
    "words",
    [
        ("add", "x"),
        ("add", "x", "--server", "flowkeep.example.com", "--no-key"),
        ("add", "x", "--server", "https://me:secret@host", "--no-key"),
        ("add", "x", "--server", URL, "--no-key", "--api-key-command", "pass"),
        ("add", " ", "--server", URL, "--no-key"),
        ("add", "x", "--server", URL),
        ("use",),
        ("use", "x", "--none"),
        ("remove", "x"),
    ],
)
def test_wrong_command_lines_change_nothing(config: Path, words: tuple[str, ...]) -> None:
    """What cannot be understood is refused, and no file is written."""
    done = call(config, "profile", *words)
    assert done.exit_code in (USAGE, CALL_FAILED)
    assert not config.exists()
    assert "secret" not in done.stderr


def test_any_text_comes_back(config: Path) -> None:
    """What is written is read back, whatever its characters."""
    odd = 'a"b\\c ü\x7f.d\te'
    made = Profiles().with_profile("a.b ü", Profile(server=URL, tenant=odd))
    made.write(config)
    assert Profiles.read(config) == made
    with pytest.raises(InvalidInput):
        made.with_profile("a\nb", Profile(server=URL))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("profile = ", "no TOML"),
        (f'[profiles.a]\nserver = "{URL}"\nkey = "sesame"', r"profiles\.a\.key"),
        (f'[profiles.a]\nserver = "{URL}"\napi_key = "sesame"\napi_key_command = "x"', "not both"),
        ('[profiles.a]\napi_key = "sesame"', "server"),
        ('[profiles.a]\napi_key = "sesame', "no TOML"),
    ],
)
def test_a_wrong_file_is_told_without_its_keys(config: Path, content: str, words: str) -> None:
    """What is wrong with a file is said with its place; a key in it is not."""
    config.parent.mkdir()
    config.write_text(content)
    with pytest.raises(ConfigurationError, match=words) as told:
        Profiles.read(config)
    assert str(config) in str(told.value)
    assert "sesame" not in str(told.value)


def test_others_who_can_read_it_are_told_of(config: Path) -> None:
    """A file with a key that others can read draws a warning; one without a key does not."""
    Profiles().with_profile("a", Profile(server=URL, api_key=KEY)).write(config)
    Profiles.read(config)
    config.chmod(0o644)
    with pytest.warns(UserWarning, match="chmod 600"):
        Profiles.read(config)
    warned = call(config, "profile", "list")
    assert "Warning" in warned.stderr
    assert "Warning" not in warned.stdout
    assert KEY not in warned.output
    Profiles().with_profile("a", Profile(server=URL)).write(config)
    config.chmod(0o644)
    Profiles.read(config)


def test_a_program_gives_the_key() -> None:
    """The key is what a program prints; one that fails is named, and not what it printed."""
    python = sys.executable
    made = Profile(server=URL, api_key_command=(python, "-c", "print('the-key')"))
    assert made.key() == "the-key"
    assert made.options()["api_key"] == "the-key"
    for code, words in (
        ("print('sesame'); raise SystemExit(3)", "ended with 3"),
        ("", "printed no key"),
    ):
        with pytest.raises(ConfigurationError, match=words) as told:
            Profile(server=URL, api_key_command=(python, "-c", code)).key()
        assert "sesame" not in str(told.value)
    with pytest.raises(ConfigurationError, match="cannot be run"):
        Profile(server=URL, api_key_command=("/no/such/program",)).key()
    assert Profile.model_validate(
        {"server": URL, "api_key_command": "a 'b c'"}
    ).api_key_command == (
        "a",
        "b c",
    )


def test_a_client_of_a_profile(config: Path) -> None:
    """`from_profile` makes a client of the named service, or of the one in use."""
    made = Profiles().with_profile("a", Profile(server=f"{URL}:8443", api_key=KEY))
    made.write(config)
    with RemoteClient.from_profile("a", config=config) as client:
        assert repr(client) == f"RemoteClient('{URL}:8443')"
    with pytest.raises(NotFound, match="in use"):
        RemoteClient.from_profile(config=config)
    with pytest.raises(NotFound, match="'b'"):
        RemoteClient.from_profile("b", config=config)
