"""What is written about the metrics, beside what a service and a worker tell: the table, the alerts, the dashboard."""

import json
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT, end, free_port
from tests.exposition import Exposition, names, scrape
from tests.service.conftest import database, start_service, start_stub_worker, stop_service

DEPLOY = ROOT / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = DEPLOY / "grafana" / "darkroom.json"
FROM_PROMETHEUS = {"instance", "job", "le"}
"""Labels that no process gives."""


@dataclass(frozen=True)
class Told:
    service: Exposition
    worker: Exposition


@dataclass(frozen=True)
class Row:
    """Of the table in docs/metrics.md."""

    type: str
    labels: set[str]
    told_by: set[str]


@pytest.fixture(scope="module")
def told(valkey_socket: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """By a service and a worker that have had a bit of everything."""
    folder, port = tmp_path_factory.mktemp("told"), str(free_port())
    # Of another database than the tests beside this one, whose keys come and go.
    url = database(valkey_socket).replace("db=1", "db=8")
    service = start_service(url, folder, DARKROOM_STORE_LIMIT_BYTES=str(10**9))
    worker = start_stub_worker(service, url, DARKROOM_METRICS_PORT=port)
    for prompt in ("a fox", "starve"):
        job_id = service.submit(prompt=prompt)["id"]
        assert service.http.get(f"/jobs/{job_id}?wait=20").json()["status"] == "succeeded"
    yield Told(scrape(service.url), scrape(f"http://127.0.0.1:{port}"))
    end(worker, signal.SIGKILL)
    stop_service(service)


@pytest.fixture(scope="module")
def table() -> dict[str, Row]:
    lines = (ROOT / "docs" / "metrics.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| `darkroom_")]
    return {
        name.strip("`"): Row(kind, set(re.findall(r"`(\w+)`", labels)), set(told_by.split(", ")))
        for name, kind, labels, told_by, _ in rows
    }


def documented(table: dict[str, Row], *tellers: str) -> dict[str, Row]:
    return {name: row for name, row in table.items() if row.told_by & set(tellers)}


def test_the_table_names_every_metric_with_its_type_and_labels(told: Told, table: dict[str, Row]) -> None:
    for exposition, tellers in ((told.service, ("redis", "service")), (told.worker, ("worker",))):
        rows = documented(table, *tellers)
        assert exposition.types == {name: row.type for name, row in rows.items()}
        assert exposition.labels == {name: row.labels for name, row in rows.items()}


def test_every_metric_has_a_name_of_prometheus_s_kind(told: Told) -> None:
    for exposition in (told.service, told.worker):
        for metric, kind in exposition.types.items():
            assert metric.startswith("darkroom_")
            assert metric.endswith("_total") == (kind == "counter")
            assert not re.search(r"_(ms|milliseconds|mb|mib|kb|percent)(_|$)", metric)
        assert all(metric.documentation.endswith(".") for metric in exposition.metrics)


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def dashboard() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return document


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    """Of the alerts, the panels and the dashboard's variables."""
    variables = [each["definition"] for each in dashboard()["templating"]["list"] if each["type"] == "query"]
    targets = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [*(rule["expr"] for rule in alerts()), *targets, *variables]


def labels_in(expression: str) -> set[str]:
    """That an expression selects or groups by."""
    selectors = ",".join(re.findall(r"\{([^}]*)\}", expression))
    groups = ",".join(re.findall(r"(?:by|without) ?\(([^)]*)\)", expression))
    values = re.findall(r"label_values\(\w+, (\w+)\)", expression)
    return set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selectors)) | set(re.findall(r"\w+", groups)) | set(values)


def metrics_in(expression: str) -> set[str]:
    return set(re.findall(r"\bdarkroom_\w+", expression))


def row_of(table: dict[str, Row], sample: str) -> Row:
    return table.get(sample) or table[re.sub(r"_(bucket|sum|count)$", "", sample)]


def test_alerts_and_dashboard_ask_for_metrics_and_labels_that_there_are(told: Told, table: dict[str, Row]) -> None:
    there = names([told.service, told.worker])
    for expression in expressions():
        asked = metrics_in(expression)
        assert asked <= there, expression
        labels = set().union(*(row_of(table, sample).labels for sample in asked))
        assert labels_in(expression) <= labels | FROM_PROMETHEUS, expression


def test_the_dashboard_shows_every_metric(table: dict[str, Row]) -> None:
    asked = {re.sub(r"_(bucket|sum|count)$", "", sample) for each in expressions() for sample in metrics_in(each)}
    assert asked == set(table)


def test_what_redis_keeps_is_never_added_up_over_services(table: dict[str, Row]) -> None:
    once = re.compile(r"((max|min) without \(instance\) \(|max by \(state\) \(|\b(max|min)\()((rate|increase)\()?$")
    for expression in expressions():
        for found in re.finditer(r"\bdarkroom_\w+", expression):
            if "redis" in row_of(table, found[0]).told_by and not expression.startswith("label_values"):
                assert once.search(expression[: found.start()]), expression


def test_legends_and_texts_name_labels_that_their_expressions_keep() -> None:
    for panel in panels():
        for target in panel["targets"]:
            kept = labels_in(target["expr"]) | FROM_PROMETHEUS
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept, target
    for rule in alerts():
        assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["description"])) <= FROM_PROMETHEUS


def test_every_alert_says_how_bad_it_is_and_what_it_means() -> None:
    rules = alerts()
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 9
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert set(rule["annotations"]) == {"summary", "description"}


def test_the_dashboard_can_be_imported_anywhere() -> None:
    document = dashboard()
    assert (document["uid"], document["title"]) == ("darkroom", "Darkroom")
    rows = [panel["title"] for panel in document["panels"] if panel["type"] == "row"]
    assert rows == ["Overview", "Queue", "Workers", "Failures and storage", "Webhooks", "HTTP"]
    source = {"type": "prometheus", "uid": "${datasource}"}
    assert "datasource" in [each["name"] for each in document["templating"]["list"]]
    assert all(each["datasource"] == source for panel in panels() for each in (panel, *panel["targets"]))
    ids = [panel["id"] for panel in document["panels"]]
    assert len(set(ids)) == len(ids)


def test_no_panel_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        x, y, w, h = (panel["gridPos"][side] for side in "xywh")
        cells = {(column, line) for column in range(x, x + w) for line in range(y, y + h)}
        assert x + w <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_scrape_example_fits_the_compose_file_and_the_alerts() -> None:
    configuration = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    assert configuration["rule_files"] == [ALERTS.name]
    targets = {
        each["job_name"]: each["static_configs"][0]["targets"][0].split(":") for each in configuration["scrape_configs"]
    }
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    worker, port = targets["darkroom-worker"]
    assert services[worker]["environment"]["DARKROOM_METRICS_PORT"] == port
    assert services[worker]["environment"]["DARKROOM_METRICS_HOST"] == "0.0.0.0"
    service, port = targets["darkroom-service"]
    assert services[service]["ports"][0].endswith(f":{port}")
    asked = {job for rule in alerts() for job in re.findall(r'job="([^"]+)"', rule["expr"])}
    assert asked <= set(targets)
