"""The container files, read by real parsers: hadolint, and the schema of the Compose Specification."""

import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
DOCKERFILES = ("Dockerfile", "Dockerfile.gpu")
COMPOSE_FILE = ROOT / "docker-compose.yml"


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def lint(dockerfile: Path) -> subprocess.CompletedProcess[str]:
    return run(Path(sysconfig.get_path("scripts")) / "hadolint", "--no-color", dockerfile)


def check_compose(file: Path) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", file)


def instructions(dockerfile: str) -> list[str]:
    """The instructions, continued lines joined, comments left out."""
    lines = (ROOT / dockerfile).read_text().splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    return [" ".join(line.split()) for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def copied(dockerfile: str) -> set[str]:
    """What the build takes from the working tree."""
    copies = [line.split()[1:-1] for line in instructions(dockerfile) if line.startswith("COPY ")]
    sources = {source for copy in copies if "--from=build" not in copy for source in copy}
    return {source.rstrip("/") for source in sources if not source.startswith("--")}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())["services"]
    return services


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_hadolint_finds_nothing_in_a_dockerfile(dockerfile: str) -> None:
    found = lint(ROOT / dockerfile)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_hadolint_finds_a_command_that_does_not_exist(tmp_path: Path) -> None:
    broken = tmp_path / "Dockerfile"
    broken.write_text("FROM debian:12\nUSR 10001\n")
    assert lint(broken).returncode != 0


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_no_hadolint_rule_is_ignored(dockerfile: str) -> None:
    assert "hadolint" not in (ROOT / dockerfile).read_text()


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_an_image_ends_as_the_same_numeric_user_that_is_not_root(dockerfile: str) -> None:
    users = [line for line in instructions(dockerfile) if line.startswith("USER ")]
    assert users[-1:] == ["USER 10001:10001"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_a_mounted_folder_of_an_image_belongs_to_its_user(dockerfile: str) -> None:
    (made,) = re.findall(r"install --directory --owner=10001 --group=10001 (.*)", "\n".join(instructions(dockerfile)))
    (volumes,) = [line for line in instructions(dockerfile) if line.startswith("VOLUME ")]
    assert made.split() == re.findall(r'"([^"]+)"', volumes)


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_an_image_is_built_from_every_package_of_the_project(dockerfile: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert packages <= copied(dockerfile)


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_what_a_dockerfile_copies_is_let_into_the_build(dockerfile: str) -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert "*" in lines
    assert copied(dockerfile) <= let_in


def test_the_images_hold_the_models_in_files_that_anyone_may_read() -> None:
    assert "COPY --chmod=644 models.toml styles.toml ./" in instructions("Dockerfile")
    worker = instructions("Dockerfile.gpu")
    opened = worker.index("RUN chmod -R a+rX .")
    assert opened > worker.index("COPY models/pocket/ models/pocket/") > worker.index("WORKDIR /app")


def test_the_service_installs_no_worker_and_the_worker_no_service() -> None:
    service, worker = (" ".join(instructions(dockerfile)) for dockerfile in DOCKERFILES)
    assert re.findall(r'"\.\[(.+?)\]"', service) == ["service${EXTRAS:+,$EXTRAS}"]
    assert re.findall(r'"\.\[(.+?)\]"', worker) == ["worker${EXTRAS:+,$EXTRAS}"]
    assert "torch" not in service


def test_the_services_health_check_asks_whether_the_process_lives() -> None:
    (check,) = [line for line in instructions("Dockerfile") if line.startswith("HEALTHCHECK ")]
    assert "http://127.0.0.1:8000/livez" in check


def test_the_compose_file_fits_the_compose_specification() -> None:
    checked = check_compose(COMPOSE_FILE)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_misspelt_key_does_not_fit_the_compose_specification(tmp_path: Path) -> None:
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(COMPOSE_FILE.read_text().replace("depends_on:", "depend_on:"))
    assert check_compose(broken).returncode == 1


def test_the_service_is_published_on_loopback_and_nothing_else_is_published(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"service": ["127.0.0.1:${DARKROOM_PORT:-8000}:8000"]}
    assert not any("network_mode" in service for service in services.values())


def test_the_service_may_do_without_keys_because_it_is_published_on_loopback(services: dict[str, Any]) -> None:
    assert " DARKROOM_HOST=0.0.0.0 " in " ".join(instructions("Dockerfile"))
    assert services["service"]["environment"]["DARKROOM_ALLOW_ANONYMOUS"] == "1"
    assert all(port.startswith("127.0.0.1:") for port in services["service"]["ports"])


def test_redis_asks_for_a_password_that_compose_insists_on(services: dict[str, Any]) -> None:
    command = services["redis"]["command"]
    password = command[command.index("--requirepass") + 1]
    assert password.startswith("${DARKROOM_REDIS_PASSWORD:?")


def test_redis_keeps_a_log_and_evicts_nothing(services: dict[str, Any]) -> None:
    command = services["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--appendfsync"] == "everysec"
    assert options["--maxmemory-policy"] == "noeviction"
    assert services["redis"]["volumes"] == ["redis:/data"]


@pytest.mark.parametrize("name", ["service", "worker-cpu", "worker-gpu"])
def test_every_part_waits_for_redis_and_gives_it_the_password(services: dict[str, Any], name: str) -> None:
    assert services[name]["depends_on"] == {"redis": {"condition": "service_healthy"}}
    url = services[name]["environment"]["DARKROOM_REDIS_URL"]
    assert re.fullmatch(r"redis://:\$\{DARKROOM_REDIS_PASSWORD:\?[^}]*\}@redis:6379/0", url)


@pytest.mark.parametrize("name", ["service", "worker-cpu", "worker-gpu"])
def test_service_and_workers_share_the_images(services: dict[str, Any], name: str) -> None:
    assert "images:/data" in services[name]["volumes"]


@pytest.mark.parametrize(("profile", "torch"), [("cpu", r".*/whl/cpu$"), ("gpu", r".*/whl/cu\d+\}$")])
def test_each_profile_builds_its_worker_from_one_dockerfile(services: dict[str, Any], profile: str, torch: str) -> None:
    workers = [service for service in services.values() if service.get("profiles") == [profile]]
    assert [worker["build"]["dockerfile"] for worker in workers] == ["Dockerfile.gpu"]
    assert re.match(torch, workers[0]["build"]["args"]["TORCH_INDEX"])
    assert workers[0]["stop_grace_period"] == "60s"


def test_only_the_gpu_worker_reserves_a_gpu(services: dict[str, Any]) -> None:
    reserving = {name: service["deploy"]["resources"] for name, service in services.items() if "deploy" in service}
    device = {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert reserving == {"worker-gpu": {"reservations": {"devices": [device]}}}


@pytest.mark.parametrize("name", ["redis", "service", "worker-cpu", "worker-gpu"])
def test_every_container_is_hardened(services: dict[str, Any], name: str) -> None:
    hardened = {
        "init": True,
        "read_only": True,
        "tmpfs": ["/tmp"],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "restart": "unless-stopped",
    }
    assert hardened.items() <= services[name].items()


def test_the_example_settings_are_those_the_compose_file_reads() -> None:
    read = set(re.findall(r"\$\{(\w+)", COMPOSE_FILE.read_text()))
    given = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert given == read
