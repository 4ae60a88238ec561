import re

from tests.service.conftest import Service


def test_the_docs_page_asks_nobody_else_for_anything(service: Service) -> None:
    page = service.http.get("/docs").text
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)|url: ['"]([^'"]+)""", page)
    files = [first or second for first, second in addresses]
    assert len(files) == 4
    for path in files:
        assert path.startswith("/"), path
        assert service.http.get(path).status_code == 200
    assert '"validatorUrl": null' in page


def test_the_contract_names_every_operation(service: Service) -> None:
    document = service.http.get("/openapi.json").json()
    operations = {operation["operationId"] for path in document["paths"].values() for operation in path.values()}
    assert operations == {
        "generate",
        "get_job",
        "get_job_events",
        "list_jobs",
        "delete_job",
        "cancel_job",
        "create_grid",
        "get_grid",
        "list_grids",
        "cancel_grid",
        "delete_grid",
        "get_sheet",
        "head_sheet",
        "get_image",
        "head_image",
        "get_negotiated_image",
        "head_negotiated_image",
        "inspect",
        "list_models",
        "list_schedulers",
        "list_styles",
        "get_webhook_secret",
        "rotate_webhook_secret",
        "redeliver_webhook",
        "livez",
        "readyz",
        "metrics",
    }
    assert "prompt" in str(document["paths"]["/generate"]["post"]["requestBody"])


def test_the_contract_shows_that_a_signed_picture_needs_no_key(service: Service) -> None:
    document = service.http.get("/openapi.json").json()
    (name,) = document["components"]["securitySchemes"]
    for path, operations in document["paths"].items():
        if path.startswith("/images/"):
            assert [each["security"] for each in operations.values()] == [[{name: []}, {}]] * 2


def test_the_contract_asks_for_a_key_where_the_service_may(service: Service) -> None:
    document = service.http.get("/openapi.json").json()
    (name, scheme), *others = document["components"]["securitySchemes"].items()
    assert (scheme["type"], scheme["scheme"], others) == ("http", "bearer", [])
    assert document["paths"]["/readyz"]["get"]["security"] == [{name: []}, {}]
    assert "security" not in document["paths"]["/livez"]["get"]
    for path in ("/models", "/schedulers"):
        operation = document["paths"][path]["get"]
        assert operation["security"] == [{name: []}]
        assert "401" in operation["responses"]
