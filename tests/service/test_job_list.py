from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import redis

from contract import keys
from tests.conftest import wait_until
from tests.service.conftest import Service
from tests.service.moves import Moves, submit_all
from tests.submissions import PARAMETERS, submission

PROBLEM = "application/problem+json"


def job_id(number: int) -> str:
    return f"{number:032x}"


def numbered(client: redis.Redis, count: int, **changes: Any) -> list[str]:
    """Jobs 1 to `count`; their ids, newest first."""
    submit_all(client, [submission(job_id(number), **changes) for number in range(1, count + 1)])
    return [job_id(number) for number in range(count, 0, -1)]


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.json()["jobs"]]


def pages(service: Service, **query: Any) -> Iterator[httpx.Response]:
    """Follows the links literally, from the first page to the last."""
    answer = service.http.get("/jobs", params=query)
    yield answer
    while "next" in answer.links:
        assert answer.json()["next_cursor"]
        answer = service.http.get(answer.links["next"]["url"])
        yield answer
    assert answer.json()["next_cursor"] is None


def test_jobs_are_listed_newest_first_each_as_it_is_by_itself(service: Service, moves: Moves) -> None:
    submitted = [service.submit(labels={"number": str(number)})["id"] for number in range(3)]
    moves.claim()
    answer = service.http.get("/jobs")
    assert answer.json()["jobs"] == [service.http.get(f"/jobs/{each}").json() for each in reversed(submitted)]
    assert answer.json()["next_cursor"] is None
    assert "link" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


def test_where_there_is_no_job_the_list_is_empty(service: Service) -> None:
    assert service.http.get("/jobs").json() == {"jobs": [], "next_cursor": None}


def test_a_page_holds_twenty_jobs_or_as_many_as_asked_for(service: Service, client: redis.Redis) -> None:
    newest = numbered(client, 101)
    assert ids(service.http.get("/jobs")) == newest[:20]
    for limit in (1, 100):
        assert ids(service.http.get("/jobs", params={"limit": limit})) == newest[:limit]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        *[({"limit": limit}, "/limit") for limit in ("0", "101", "-1", "x", "1.5", "", "9" * 5000)],
        *[
            ({"cursor": cursor}, "/cursor")
            for cursor in ("", "x", "LTE", "MS4w", "é", "%00", "A" * 41, "OTk5OTk5OTk5OTk5OTk5OTk5")
        ],
        ({"status": "unheard of"}, "/status/0"),
        ({"status": ["queued", ""]}, "/status/1"),
        ({"label": "no colon"}, "/label/0"),
        ({"label": ["a:b", ""]}, "/label/1"),
        ({"label": ["a:b"] * 17}, "/label"),
        ({"model": "x" * 101}, "/model"),
    ],
)
def test_a_query_that_cannot_be_taken_is_named(service: Service, query: dict[str, Any], pointer: str) -> None:
    answer = service.http.get("/jobs", params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert answer.headers["content-type"] == PROBLEM
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("limit", [1, 7, 15, 30, 31])
def test_the_pages_hold_every_job_once(service: Service, client: redis.Redis, limit: int) -> None:
    newest = numbered(client, 30)
    listed = [ids(page) for page in pages(service, limit=limit)]
    assert [each for page in listed for each in page] == newest
    assert all(len(page) == limit for page in listed[:-1])
    assert len(listed[-1]) > 0


def test_pages_stay_right_while_jobs_come_end_and_go(service: Service) -> None:
    submitted = [service.submit()["id"] for _ in range(20)]
    listed: list[str] = []
    for page in pages(service, limit=6):
        listed += ids(page)
        service.submit()
        # The one that the cursor stands on goes, one that is still to be listed ends, and one goes.
        if "next" in page.links:
            delete(service, listed[-1])
            service.http.post(f"/jobs/{submitted[0]}/cancel")
            delete(service, submitted.pop(1))
    assert listed == submitted[::-1]
    assert len(listed) == 18


def delete(service: Service, each: str) -> None:
    service.http.post(f"/jobs/{each}/cancel")
    assert service.http.delete(f"/jobs/{each}").status_code == 204


def test_the_link_to_the_next_page_keeps_every_part_of_the_query(service: Service, client: redis.Redis) -> None:
    labels = '{"a/b": "x:y & z=ü <\\">,;", "c": ""}'
    numbered(client, 5, labels=labels, model="some model+1")
    query = {
        "limit": 2,
        "status": ["queued", "failed"],
        "label": ['a/b:x:y & z=ü <">,;', "c:"],
        "model": "some model+1",
    }
    answers = list(pages(service, **query))
    assert [len(ids(answer)) for answer in answers] == [2, 2, 1]
    for answer in answers[:2]:
        asked = parse_qsl(urlsplit(answer.links["next"]["url"]).query, keep_blank_values=True)
        assert sorted(pair for pair in asked if pair[0] != "cursor") == sorted(
            [
                *[("limit", "2"), ("status", "queued"), ("status", "failed"), ("model", "some model+1")],
                *[("label", 'a/b:x:y & z=ü <">,;'), ("label", "c:")],
            ]
        )
        assert [value for name, value in asked if name == "cursor"] == [answer.json()["next_cursor"]]


def test_a_filter_by_status_takes_any_of_those_named(service: Service, moves: Moves) -> None:
    jobs = {}
    for status in ("finished", "failed"):
        jobs[status] = service.submit()["id"]
        moves.claim()
        moves.finish(jobs[status], status)
    canceled = service.submit()["id"]
    service.http.post(f"/jobs/{canceled}/cancel")
    running, queued = service.submit()["id"], service.submit()["id"]
    moves.claim()
    by_status = {
        "queued": queued,
        "running": running,
        "canceled": canceled,
        "failed": jobs["failed"],
        "succeeded": jobs["finished"],
    }
    for status, each in by_status.items():
        assert ids(service.http.get("/jobs", params={"status": status})) == [each]
    assert ids(service.http.get("/jobs", params={"status": ["succeeded", "queued"]})) == [queued, jobs["finished"]]
    assert ids(service.http.get("/jobs", params={"status": list(by_status)})) == list(by_status.values())


def test_a_filter_by_model_and_labels_takes_what_matches_all_of_it(service: Service, client: redis.Redis) -> None:
    labels = ["{}", '{"a": "1"}', '{"a": "1", "b": "2"}', '{"a": "2", "b": "2"}', '{"a": "ü🦊", "b": ""}']
    submit_all(
        client,
        [submission(job_id(number), labels=each) for number, each in enumerate(labels)]
        + [submission(job_id(9), labels=labels[2], model="other")],
    )

    def found(**query: Any) -> list[int]:
        return [int(each, 16) for each in ids(service.http.get("/jobs", params=query))]

    assert found(label="a:1") == [9, 2, 1]
    assert found(label=["a:1", "b:2"]) == [9, 2]
    assert found(label=["a:1", "b:2"], model="pocket") == [2]
    assert found(model="other") == [9]
    assert found(label="a:ü🦊") == found(label="b:") == [4]
    assert found(label="a:") == found(label="c:1") == found(label=":1") == found(model="pock") == []
    # No job's label has two values.
    assert found(label=["a:1", "a:2"]) == []
    assert found(label=["a:1", "a:1"], status="queued") == [9, 2, 1]


@pytest.mark.parametrize("places", [[1], [1500], [3000], [2501, 2500, 2001, 2000]])
def test_a_few_jobs_of_three_thousand_are_found_in_a_page_or_a_few(
    service: Service, client: redis.Redis, places: list[int]
) -> None:
    labels = dict.fromkeys(places, '{"a": "b"}')
    submit_all(client, [submission(job_id(number), labels=labels.get(number, "{}")) for number in range(1, 3001)])
    answers = list(pages(service, label="a:b"))
    assert [each for answer in answers for each in ids(answer)] == [job_id(place) for place in places]
    assert len(answers) <= 3


def test_more_jobs_than_are_looked_at_for_one_page_are_gone_through_page_by_page(
    service: Service, client: redis.Redis
) -> None:
    # Looked at like any others, and quick to make: nobody has submitted them.
    client.zadd(keys.JOBS_PREFIX + "anonymous", {job_id(number): number for number in range(1000, 12_000)})
    with client.pipeline(transaction=False) as pipeline:
        for number in range(1000, 12_000):
            pipeline.hset(keys.JOB_PREFIX + job_id(number), mapping={"owner": "anonymous", "model": "other"})
        pipeline.execute()
    client.hset(keys.SEQUENCES, "anonymous", 0)
    [oldest] = numbered(client, 1)
    answers = list(pages(service, model="pocket"))
    assert [ids(answer) for answer in answers] == [[], [oldest]]


def test_a_job_that_is_gone_is_not_listed(service: Service, client: redis.Redis) -> None:
    kept, aged, deleted = (service.submit()["id"] for _ in range(3))
    service.http.post(f"/jobs/{aged}/cancel")
    client.zadd(keys.EXPIRING, {aged: 1})
    client.delete(keys.JOB_PREFIX + deleted)
    wait_until(lambda: ids(service.http.get("/jobs")) == [kept])
    assert client.zrange(keys.JOBS_PREFIX + "anonymous", 0, -1) == [kept]
    assert ids(service.http.get("/jobs", params={"limit": 1, "status": "queued"})) == [kept]


def test_a_cursor_does_not_tell_how_many_jobs_others_have(service: Service, client: redis.Redis) -> None:
    def cursor(others: int) -> str:
        submit_all(client, [submission(job_id(number), owner="other") for number in range(1000, 1000 + others)])
        for _ in range(2):
            service.submit()
        return str(service.http.get("/jobs", params={"limit": 1}).json()["next_cursor"])

    alone = cursor(0)
    client.flushdb()
    assert cursor(5) == alone


def test_another_owners_jobs_are_as_if_they_were_not(service: Service, client: redis.Redis) -> None:
    own = service.submit(labels={"a": "b"})["id"]
    others = job_id(1)
    submit_all(client, [submission(others, owner="other", labels='{"a": "b"}')])
    for query in ({}, {"label": "a:b"}, {"status": "queued"}, {"model": PARAMETERS.model}):
        assert ids(service.http.get("/jobs", params=query)) == [own]
    answers = [
        service.http.get(f"/jobs/{others}"),
        service.http.get(f"/jobs/{others}/events"),
        service.http.get(f"/images/{others}/0.png"),
        service.http.post(f"/jobs/{others}/cancel"),
        service.http.delete(f"/jobs/{others}"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 5
    assert client.hget(keys.JOB_PREFIX + others, "status") == "queued"


def test_labels_are_shown_with_the_job_and_are_no_parameter(service: Service) -> None:
    labels = {f"{'n' * 61}{number:02}": "ü🦊\t\n" * 64 for number in range(15)} | {"A0._/-": ""}
    job = service.submit(labels=labels)
    assert job["labels"] == service.http.get(f"/jobs/{job['id']}").json()["labels"] == labels
    assert "labels" not in job["parameters"]
    again = service.submit(**job["parameters"])
    assert (again["parameters"], again["labels"]) == (job["parameters"], {})


@pytest.mark.parametrize(
    ("labels", "pointer", "limit"),
    [
        ({f"n{number}": "" for number in range(17)}, "/labels", "16"),
        ({"a b": ""}, "/labels/a b", "pattern"),
        ({"": ""}, "/labels/", "pattern"),
        ({"-a": ""}, "/labels/-a", "pattern"),
        ({"a\n": ""}, "/labels/a\n", "pattern"),
        ({"ü": ""}, "/labels/ü", "pattern"),
        ({"n" * 64: ""}, "/labels/" + "n" * 64, "62"),
        ({"a:b": ""}, "/labels/a:b", "pattern"),
        ({"a/b": "x" * 257}, "/labels/a~1b", "256"),
        ({"a": 1}, "/labels/a", "string"),
        ({"a": None}, "/labels/a", "string"),
        ({"a": "\x00"}, "/labels/a", "control"),
        ({"a": "\x7f"}, "/labels/a", "control"),
        (["a"], "/labels", "object"),
        (None, "/labels", "object"),
    ],
)
def test_labels_that_cannot_be_taken_are_named_with_their_limit(
    service: Service, labels: Any, pointer: str, limit: str
) -> None:
    answer = service.http.post("/generate", json={"prompt": "a fox", "labels": labels})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    [error] = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert limit in error["detail"]
