#!/usr/bin/env python3
"""Render the Helm chart and check what comes out; says what could not be checked.

Needs `helm`. With `kubernetes-validate` (a Python package that brings Kubernetes' schemas) every
object is checked against these, without it by structure alone. HELM=… and KUBERNETES_VALIDATE=…
name the programs.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[1] / "deploy" / "helm" / "flowkeep"
EXAMPLE = CHART.parent / "example-values.yaml"
LEAST = (
    *("--set", "database.existingSecret=d", "--set", "secretKey.existingSecret=k"),
    *("--set", "temporal.address=temporal:7233", "--set", "storage.url=s3://bucket/flowkeep"),
)
CASES = {
    "least": LEAST,
    "example": ("--values", str(EXAMPLE)),
    "api alone": (*LEAST, "--set", "worker.enabled=false", "--set", "migrate.enabled=false"),
}
REFUSED = {
    "no secret": (),
    "a file as storage": (*LEAST, "--set", "storage.url=file:///data"),
    "an unknown value": (*LEAST, "--set", "api.replica=3"),
}


def main() -> int:
    """Check the chart; return an exit code."""
    helm = _program("HELM", "helm")
    if helm is None:
        print("helm is not here, so the chart is not rendered: install it, or set HELM=…")
        return 3
    _run(helm, "lint", "--strict", str(CHART), *LEAST)
    for name, words in CASES.items():
        text = _run(helm, "template", "release", str(CHART), "--namespace", "flowkeep", *words)
        objects = [one for one in yaml.safe_load_all(text) if one]
        problems = [problem for one in objects for problem in problems_of(one)]
        if problems:
            print(f"{name}: " + "; ".join(problems))
            return 1
        kinds = sorted({one["kind"] for one in objects})
        print(f"{name}: {len(objects)} objects, {', '.join(kinds)}")
        _conform(name, text)
    for name, words in REFUSED.items():
        command = [helm, "template", "release", str(CHART), *words]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:  # noqa: S603
            print(f"{name}: was to be refused and is not")
            return 1
        print(f"{name}: refused")
    return 0


def problems_of(rendered: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a rendered object, as far as its structure tells."""
    name = f"{rendered.get('kind')} {rendered.get('metadata', {}).get('name')}"
    for key in ("apiVersion", "kind", "metadata"):
        if key not in rendered:
            yield f"{name} lacks {key}"
    pod = rendered.get("spec", {}).get("template", {}).get("spec")
    if rendered.get("kind") in ("Deployment", "Job"):
        yield from (f"{name}: {problem}" for problem in _problems_of_pod(pod))
    selector = rendered.get("spec", {}).get("selector", {})
    if rendered.get("kind") == "Deployment":
        labels = rendered["spec"]["template"]["metadata"]["labels"]
        if not selector["matchLabels"].items() <= labels.items():
            yield f"{name}: its selector does not select its pods"


def _problems_of_pod(pod: dict[str, Any]) -> Iterator[str]:
    if not pod["securityContext"].get("runAsNonRoot"):
        yield "may run as root"
    if pod.get("automountServiceAccountToken") is not False:
        yield "gets a token of the cluster"
    for container in pod["containers"]:
        own = container["securityContext"]
        if own.get("allowPrivilegeEscalation") is not False or not own["readOnlyRootFilesystem"]:
            yield "may gain rights or write its image"
        if "limits" not in container["resources"] or "requests" not in container["resources"]:
            yield "has no bounds"
        for variable in container["env"]:
            secret = (
                variable["name"].endswith(("_URL", "_KEY")) and "STORAGE" not in variable["name"]
            )
            if secret and "valueFrom" not in variable:
                yield f"{variable['name']} is written out"


def _conform(name: str, text: str) -> None:
    program = _program("KUBERNETES_VALIDATE", "kubernetes-validate")
    if program is None:
        print(f"{name}: kubernetes-validate is not here; checked by structure alone")
        return
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        told = _run(program, "--strict", file.name, errors=True)
    print(f"{name}: {told.count(' passed ')} objects fit Kubernetes' schemas")


def _program(variable: str, name: str) -> str | None:
    return os.environ.get(variable) or shutil.which(name)


def _run(*command: str, errors: bool = False) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(f"{' '.join(command[:2])} failed:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr if errors else done.stdout


if __name__ == "__main__":
    sys.exit(main())
