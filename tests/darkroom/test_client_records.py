"""What the client knows of the service's answers is what the API document says, and it can bear more."""

import pytest
from pydantic import ValidationError

from darkroom.client import offers, records
from darkroom.client.listing import Page
from darkroom.client.options import GenerationOptions, WebhookOptions
from darkroom.client.records import Record
from tests.darkroom.documents import SCHEMAS, a_job, job_document

SCHEMA_OF = {
    "Model": "OfferedModel",
    "Models": "OfferedModels",
    "Scheduler": "OfferedScheduler",
    "Schedulers": "OfferedSchedulers",
    "Styles": "OfferedStyles",
    "Page": "JobList",
}
"""Where the client's name is a shorter one."""
RECORDS = [
    Page,
    *(
        each
        for module in (records, offers)
        for each in vars(module).values()
        if isinstance(each, type) and Record in each.__bases__
    ),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_a_record_has_the_fields_of_the_api(record: type[Record]) -> None:
    schema = SCHEMAS[SCHEMA_OF.get(record.__name__, record.__name__)]
    assert set(record.model_fields) == set(schema["properties"])
    required = {name for name, field in record.model_fields.items() if field.is_required()}
    assert required == set(schema.get("required", []))


def test_every_part_of_an_answer_has_its_record() -> None:
    known = {SCHEMA_OF.get(record.__name__, record.__name__) for record in RECORDS}
    named: set[str] = set()
    for name in known:
        for schema in SCHEMAS[name]["properties"].values():
            parts = [schema, schema.get("items", {}), *schema.get("anyOf", [])]
            named |= {part["$ref"].rpartition("/")[2] for part in parts if "$ref" in part}
    assert {name for name in named if "properties" in SCHEMAS[name]} - known == set()


def test_the_options_are_the_fields_of_a_request() -> None:
    assert {"prompt", *GenerationOptions.__annotations__} == set(SCHEMAS["JobRequest"]["properties"])
    assert WebhookOptions.__required_keys__ | WebhookOptions.__optional_keys__ == set(
        SCHEMAS["WebhookRequest"]["properties"]
    )


def test_what_a_newer_service_adds_is_kept() -> None:
    job = a_job(status="paused", rung="disk_offload", colour="red", images=[])
    assert job.model_extra == {"colour": "red"}
    assert job.rung == "disk_offload"
    assert not job.ended


def test_a_record_cannot_be_changed_and_does_not_print_what_opens_its_picture() -> None:
    job = a_job()
    with pytest.raises(ValidationError):
        job.status = "succeeded"
    picture = records.GeneratedImage.model_construct(url="/images/1/0.png", signed_url="/images/1/0.png?signature=s")
    assert "signature" not in repr(picture)


def test_the_parameters_of_a_job_can_be_asked_for_again() -> None:
    parameters = job_document()["parameters"]
    assert parameters.items() <= dict(a_job().parameters).items()
    assert set(dict(a_job().parameters)) <= {"prompt", *GenerationOptions.__annotations__}
