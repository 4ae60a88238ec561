"""A job's place in line, as its JSON shows it, among the jobs of other owners."""

import redis

from contract import keys
from tests.contract.test_scripts import Line
from tests.service.conftest import Service
from tests.service.moves import claim
from tests.service.test_health import beat

COST = 64 * 64 * 10


def submit(service: Service) -> str:
    job_id: str = service.submit(width=64, height=64, num_inference_steps=10)["id"]
    return job_id


def test_the_place_that_a_job_shows_counts_the_turns_of_other_owners(service: Service, client: redis.Redis) -> None:
    beat(client, "w", state="ready")
    client.hset(keys.PACE, mapping={"seconds": 1, "cost": COST})
    mine = [submit(service) for _ in range(20)]
    for owner in "bc":
        for number in range(3):
            # Behind those of the same turn over HTTP, whose ids begin with the time.
            Line(client).submit(f"{number}".rjust(31, "f") + owner, owner=owner, cost=COST)
    jobs = [service.http.get(f"/jobs/{job_id}").json() for job_id in mine]
    places = [1, 4, 7, *range(10, 27)]
    assert [job["queue_position"] for job in jobs] == places
    assert [job["eta_seconds"] for job in jobs] == places
    turns = [claim(client) for _ in range(26)]
    assert [turns.index(job_id) + 1 for job_id in mine] == places
    assert "".join(name[-1] for name in turns if name not in mine) == "bcbcbc"
