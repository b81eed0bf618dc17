"""The Helm chart, as far as it can be read without Helm."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from flowkeep.settings import variables
from tests.documents import ROOT

CHART = ROOT / "deploy" / "helm" / "flowkeep"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
TEMPLATES = {path.name: path.read_text() for path in (CHART / "templates").iterdir()}
FOREIGN = {"TEMPORAL_TLS", "TEMPORAL_API_KEY"}
"""Variables that Temporal's SDK reads by itself."""


def paths(values: dict[str, Any], above: str = "") -> Iterator[str]:
    """Yield the path of every value."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from paths(value, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def at(values: dict[str, Any], path: str) -> Any:
    """Return the value at a path."""
    found: Any = values
    for name in path.split("."):
        found = found[name]
    return found


def references() -> set[str]:
    """Every path below `.Values` that a template reads."""
    text = "\n".join(TEMPLATES.values())
    found = set(re.findall(r"\$?\.Values\.([A-Za-z.]+)", text))
    # `scaling.yaml` goes through both parts, `placing` gets one of them.
    for part in ("api", "worker"):
        inner = re.findall(r"\$part\.([A-Za-z.]+)", text)
        placed = ("nodeSelector", "tolerations", "affinity")
        found |= {f"{part}.{name}" for name in (*inner, *placed)}
    return found


def test_values_fit_their_schema() -> None:
    """The chart's own values and the example are valid, and the schema is one."""
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA)
    example = yaml.safe_load((CHART.parent / "example-values.yaml").read_text())
    jsonschema.validate(example, SCHEMA)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("api.replicas", -1),
        ("api.workers", 0),
        ("api.corsOrigins", ["*"]),
        ("api.ingress.hosts", [{"path": "/"}]),
        ("storage.url", "file:///data"),
        ("temporal.address", "http://temporal:7233"),
        ("worker.args", []),
        ("database.schema", "Has Space"),
        ("image.pullPolicy", "Sometimes"),
        ("networkPolicy.egressPorts", [70000]),
    ],
)
def test_bad_values_are_refused(path: str, value: Any) -> None:
    """A value that could not work is refused before anything is installed."""
    values = copy.deepcopy(VALUES)
    above, _, name = path.rpartition(".")
    at(values, above)[name] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, SCHEMA)


@pytest.mark.parametrize("above", ["", "api", "worker", "database", "temporal.apiKey"])
def test_misspelt_values_are_refused(above: str) -> None:
    """A name that nobody reads is refused, at every depth."""
    values = copy.deepcopy(VALUES)
    (at(values, above) if above else values)["replica"] = 1
    with pytest.raises(jsonschema.ValidationError, match="replica"):
        jsonschema.validate(values, SCHEMA)


def test_templates_read_what_there_is() -> None:
    """Each value that a template reads exists, and each that exists is read."""
    read = references()
    for path in read:
        at(VALUES, path)
    unread = {
        path
        for path in paths(VALUES)
        if not any(path == one or path.startswith(f"{one}.") for one in read)
    }
    assert unread == set()


def test_variables_are_ours() -> None:
    """Every variable that pods get is one that flowkeep or Temporal's SDK reads."""
    text = "\n".join(TEMPLATES.values())
    names = set(re.findall(r"- name: ([A-Z][A-Z_]+)$", text, re.MULTILINE))
    assert names
    assert names - FOREIGN <= set(variables())


def test_secrets_are_named_never_held() -> None:
    """The chart has no Secret and no place for a value that is one."""
    text = "\n".join(TEMPLATES.values())
    assert "kind: Secret" not in text
    for variable in ("FLOWKEEP_DATABASE_URL", "FLOWKEEP_SECRET_KEY", "TEMPORAL_API_KEY"):
        assert re.search(rf"name: {variable}\n\s+valueFrom:\n\s+secretKeyRef:", text)


def test_blocks_of_templates_are_closed() -> None:
    """Every block that a template opens ends in the same template."""
    for name, text in TEMPLATES.items():
        opened = re.findall(r"\{\{-?\s*(if|with|range|define)\b", text)
        assert len(opened) == len(re.findall(r"\{\{-?\s*end\b", text)), name


def test_probes_ask_what_the_service_answers() -> None:
    """Paths of probes are routes of the API, which need no key."""
    from flowkeep.api import build_app
    from flowkeep.settings import Settings

    paths = build_app(Settings()).openapi()["paths"]
    for probe in re.findall(r'path: "?(/[^",?}]+)', TEMPLATES["api.yaml"]):
        assert probe in paths


def test_the_chart_is_of_this_version() -> None:
    """The chart installs the image of the version beside it."""
    import tomllib

    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads(Path(ROOT / "pyproject.toml").read_text())["project"]
    assert chart["appVersion"] == project["version"]
