"""What is shipped for operators: image, unit and manifests keep to the rules of their linters, and fit the code."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from router.cli.serve import serve
from router.config import ServerSettings, load_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DRAIN_S = ServerSettings().drain_s


# ----- the image --------------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, continued lines joined."""
    text = (DEPLOY / "docker" / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)
    ]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    start = max(at for at, (word, _) in enumerate(found) if word == "FROM")
    return found[start:]


def test_image_is_built_in_stages_without_compilers_in_the_last() -> None:
    stages = [rest for word, rest in instructions() if word == "FROM"]
    assert len(stages) == 2
    assert all(re.match(r"[\w./-]+:(?!latest)[\w.-]+", stage) for stage in stages)
    last = last_stage()
    assert any(word == "COPY" and rest.startswith("--from=build ") for word, rest in last)
    assert not re.search(r"apt-get|gcc|pip install", " ".join(rest for word, rest in last if word == "RUN"))


def test_image_runs_as_nobody_in_particular() -> None:
    last = last_stage()
    users = [rest for word, rest in last if word == "USER"]
    # A number, so that Kubernetes can see that it is not root.
    assert users
    assert users[-1].isdigit()
    assert int(users[-1]) > 0
    words = [word for word, _ in last]
    assert words.index("USER") > max(at for at, word in enumerate(words) if word == "RUN")


def test_image_has_health_signal_and_entry() -> None:
    last = dict(last_stage())
    assert "/readyz" in last["HEALTHCHECK"]
    assert last["STOPSIGNAL"] == "SIGTERM"
    # In exec form the process gets the signals itself.
    command = yaml.safe_load(last["ENTRYPOINT"])
    assert command[:2] == ["router", "serve"]
    known = {name for parameter in serve.params for name in parameter.opts}
    assert {word for word in command if word.startswith("--")} <= known


def test_image_keeps_no_package_lists_and_no_secrets() -> None:
    for word, rest in instructions():
        if "apt-get install" in rest:
            assert "--no-install-recommends" in rest
            assert "rm -rf /var/lib/apt/lists/*" in rest
        if "pip install" in rest:
            assert "--no-cache-dir" in rest
        assert word != "ADD"
        assert not (word in ("ENV", "ARG") and re.search(r"KEY|TOKEN|SECRET|PASSWORD", rest))


def test_image_gets_the_files_that_it_is_built_from() -> None:
    ignored = (DEPLOY / "docker" / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    assert ignored[0] == "*"
    for word, rest in instructions():
        if word != "COPY" or rest.startswith("--from"):
            continue
        for source in rest.split()[:-1]:
            path = source.removeprefix("./")
            assert (ROOT / path).exists(), source
            assert f"!{path}" in ignored, source


# ----- the unit ---------------------------------------------------------------------------------------------------


def unit() -> configparser.ConfigParser:
    found = configparser.ConfigParser(strict=False, interpolation=None)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read(DEPLOY / "systemd" / "router.service", encoding="utf-8")
    return found


def test_unit_gives_away_no_rights() -> None:
    service = unit()["Service"]
    for name in ("DynamicUser", "NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "RestrictSUIDSGID"):
        assert service[name] == "yes", name
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == ""
    assert service["UMask"] == "0077"


def test_unit_starts_reloads_and_waits_for_the_end() -> None:
    service = unit()["Service"]
    command = shlex.split(service["ExecStart"])
    assert command[1] == "serve"
    assert {word for word in command if word.startswith("--")} <= {name for each in serve.params for name in each.opts}
    assert "-HUP" in service["ExecReload"]
    assert float(service["TimeoutStopSec"]) > DRAIN_S
    assert service["Restart"] == "on-failure"


# ----- Kubernetes -------------------------------------------------------------------------------------------------


def rendered() -> list[dict[str, Any]]:
    """The Helm template with its own values; it uses nothing but values, ``default``, ``toYaml`` and ``nindent``."""
    chart = DEPLOY / "helm" / "guide-router"
    known = {
        "Values": yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8")),
        "Chart": {"AppVersion": yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))["appVersion"]},
        "Release": {"Name": "test"},
    }

    def value(path: str) -> Any:
        found: Any = known
        for name in path.lstrip(".").split("."):
            found = found[name]
        return found

    def fill(match: re.Match[str]) -> str:
        head, *pipes = [part.strip() for part in match[2].split("|")]
        is_yaml = head.startswith("toYaml ")
        found = value(head.removeprefix("toYaml "))
        for pipe in pipes:
            word, argument = pipe.split()
            if word == "default":
                found = found or value(argument)
            elif word == "nindent":
                text = yaml.safe_dump(found) if is_yaml else str(found)
                return "\n" + "\n".join(" " * int(argument) + line for line in text.splitlines())
            else:
                raise AssertionError(f"the test knows no {word}")
        return str(found)

    text = (chart / "templates" / "router.yaml").read_text(encoding="utf-8")
    return list(yaml.safe_load_all(re.sub(r"(\s*)\{\{(?:-)?(.*?)\}\}", lambda m: _kept(m) + fill(m), text)))


def _kept(match: re.Match[str]) -> str:
    return "" if match[0].lstrip().startswith("{{-") else match[1]


def sidecar() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes" / "sidecar.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("read", [rendered, sidecar])
def test_pods_run_without_rights(read: Any, tmp_path: Path) -> None:
    documents = read()
    (deployment,) = [each for each in documents if each["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["terminationGracePeriodSeconds"] > DRAIN_S
    (router,) = [each for each in pod["containers"] if each["name"] == "router"]
    context = router["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["runAsUser"] > 0
    assert router["resources"]["limits"]["memory"]
    assert router["resources"]["requests"]["cpu"]
    assert "readyz" in str(router["readinessProbe"])
    assert router["livenessProbe"]
    mounted, volumes = ({each["name"] for each in listed} for listed in (router["volumeMounts"], pod["volumes"]))
    assert mounted <= volumes
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    # The config in it is one that the router takes.
    (config,) = [each for each in documents if each["kind"] == "ConfigMap"]
    path = tmp_path / "router.yaml"
    path.write_text(config["data"]["router.yaml"], encoding="utf-8")
    server = load_settings(path).server
    assert (server.host == "127.0.0.1") or server.keys


def test_service_reaches_the_pods() -> None:
    documents = rendered()
    (service,) = [each for each in documents if each["kind"] == "Service"]
    (deployment,) = [each for each in documents if each["kind"] == "Deployment"]
    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    (router,) = deployment["spec"]["template"]["spec"]["containers"]
    assert service["spec"]["ports"][0]["targetPort"] in [port["name"] for port in router["ports"]]
