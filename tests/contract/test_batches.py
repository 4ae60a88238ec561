"""What one claim takes together: the head of the line, and behind it what the same pipeline call can draw."""

import threading
from typing import Any

import pytest
import redis

from contract import keys, scripts
from contract.job import Job, JobStatus
from contract.rung import Rung
from tests.contract.test_scripts import Line

_KEY = "pocket 64x64 2 DDIM guided"
_OTHER = "pocket 64x64 2 DDIM"


class Batches:
    """A line of jobs with batch keys; each has a letter for a name, in the order in which they came."""

    def __init__(self, client: redis.Redis) -> None:
        self.line = Line(client)
        self.client = client
        self._claims = 0

    def join(self, names: str, key: str = _KEY, **changes: Any) -> None:
        for name in names:
            self.line.submit(name, batch_key=key, **changes)

    def claim(self, images: int = 8, **by_key: int) -> str:
        """The names of those that were taken."""
        self._claims += 1
        return "".join(self.line.claim_batch(images, f"e{self._claims}", by_key=by_key))

    def in_line(self) -> str:
        head = [str(each) for each in self.client.lrange(keys.QUEUE, 0, -1)]
        return "".join([*head, *(str(each) for each in self.client.zrange(keys.WAITING, 0, -1))])

    def batch(self, key: str = _KEY) -> str:
        """Who is in the set of that key."""
        return "".join(str(each) for each in self.client.zrange(keys.BATCH_PREFIX + key, 0, -1))

    def head(self) -> list[Any]:
        """As RQ's tools see it."""
        return list(self.client.lrange(keys.QUEUE, 0, -1))

    def crash(self) -> None:
        """Of the worker `w`."""
        self.line.run(scripts.REAP, "worker", "w")


def drawn_by(job: Job) -> tuple[int | None, Rung | None]:
    """How, by what the job shows."""
    return job.batch_size, job.rung


@pytest.fixture
def batches(client: redis.Redis) -> Batches:
    return Batches(client)


def test_jobs_that_share_a_key_are_taken_together_in_their_order(batches: Batches) -> None:
    batches.join("abc")
    assert batches.claim() == "abc"
    assert [batches.line.fetch(name).status for name in "abc"] == [JobStatus.RUNNING] * 3
    assert batches.in_line() == batches.batch() == ""
    assert set(batches.client.zrange(keys.LEASES, 0, -1)) == {"a:e1", "b:e1", "c:e1"}


def test_a_claim_whose_answer_was_lost_can_be_sent_again(batches: Batches) -> None:
    batches.join("abcd")
    claims = [batches.line.run(scripts.CLAIM, "w", "e", '{"images": 3}') for _ in range(2)]
    assert [[claim[:2] for claim in each] for each in claims] == [[["a", "e"], ["b", "e"], ["c", "e"]]] * 2
    assert batches.in_line() == "d"
    assert {batches.line.fetch(name).attempts for name in "abc"} == {1}


def test_the_head_of_the_line_leads_whatever_would_make_a_larger_batch(batches: Batches) -> None:
    batches.join("a", _OTHER)
    batches.join("bcd")
    assert batches.claim() == "a"
    assert batches.claim() == "bcd"


def test_those_that_do_not_fit_the_head_stay_as_they_stand(batches: Batches) -> None:
    for name, key in zip("abcdefg", [_KEY, _OTHER, _KEY, "", _OTHER, _KEY, ""], strict=True):
        batches.join(name, key)
    assert batches.claim() == "acf"
    assert batches.head() == ["b"]
    assert batches.in_line() == "bdeg"
    assert [batches.claim() for _ in range(3)] == ["be", "d", "g"]


def test_a_batch_has_as_many_images_as_the_worker_draws_at_once(batches: Batches) -> None:
    batches.join("abcde")
    assert batches.claim(3) == "abc"
    assert batches.head() == ["d"]
    assert batches.claim(3) == "de"


def test_a_key_can_have_a_limit_of_its_own(batches: Batches) -> None:
    batches.join("abc")
    batches.join("def", _OTHER)
    assert batches.claim(1, **{_KEY: 2}) == "ab"
    assert batches.claim(1, **{_OTHER: 2}) == "c"
    assert batches.claim(8, **{_OTHER: 1}) == "d"


def test_images_count_not_jobs(batches: Batches) -> None:
    batches.join("a", image_count=2)
    batches.join("b", image_count=4)
    batches.join("cd", image_count=1)
    batches.join("e", image_count=2)
    assert batches.claim(5) == "acd"
    assert batches.in_line() == "be"
    assert batches.claim(6) == "be"


def test_a_head_of_more_images_than_the_limit_is_taken_alone(batches: Batches) -> None:
    batches.join("a", image_count=8)
    batches.join("b")
    assert batches.claim(4) == "a"
    assert batches.claim(4) == "b"


def test_no_more_jobs_are_looked_at_than_images_may_be_taken(batches: Batches) -> None:
    batches.join("a")
    batches.join("bcde", image_count=4)
    batches.join("f")
    assert batches.claim(4) == "a"
    assert batches.in_line() == "bcdef"


def test_an_exclusive_job_neither_leads_nor_follows(batches: Batches) -> None:
    batches.join("a", "", exclusive=True)
    batches.join("b")
    batches.join("c", "", exclusive=True)
    batches.join("d")
    claims = [
        batches.line.run(scripts.CLAIM, "w", f"e{number}", '{"images": 8, "by_key": {"": 8}}') for number in range(3)
    ]
    assert [[(claim[0], claim[-1]) for claim in each] for each in claims] == [
        [("a", "1")],
        [("b", ""), ("d", "")],
        [("c", "1")],
    ]
    assert [batches.line.fetch(name).exclusive for name in "abc"] == [True, False, True]


def test_a_record_of_an_older_version_is_drawn_alone(batches: Batches) -> None:
    batches.join("ab", "")
    for name in "ab":
        batches.client.hdel(keys.JOB_PREFIX + name, "batch_key", "image_count", "exclusive")
    batches.join("c")
    assert [batches.claim() for _ in range(3)] == list("abc")
    assert batches.line.fetch("a").exclusive is False


def test_every_job_of_a_batch_ends_for_itself(batches: Batches) -> None:
    batches.join("abc")
    batches.claim()
    assert batches.line.finish("b", "e1") == 1
    assert batches.line.finish("a", "e1", "failed") == 1
    assert [batches.line.fetch(name).status.value for name in "abc"] == ["failed", "succeeded", "running"]
    assert batches.client.zrange(keys.LEASES, 0, -1) == ["c:e1"]


def test_what_drew_a_job_is_shown_with_it(batches: Batches) -> None:
    batches.join("ab")
    batches.claim()
    assert [drawn_by(batches.line.fetch(name)) for name in "ab"] == [(None, None)] * 2
    batches.line.run(scripts.FINISH, "a:e1", "finished", "batch_size", 4, "rung", "vae_tiling")
    batches.line.run(scripts.FINISH, "b:e1", "finished", "batch_size", 4)  # by an older worker
    assert [drawn_by(batches.line.fetch(name)) for name in "ab"] == [(4, Rung.VAE_TILING), (4, None)]


def test_a_batch_whose_worker_died_goes_back_to_its_places(batches: Batches) -> None:
    for name, key in zip("abcd", [_KEY, _OTHER, _KEY, _KEY], strict=True):
        batches.join(name, key)
    assert batches.claim(2) == "ac"
    batches.line.expire_leases()
    assert sorted(batches.line.run(scripts.REAP, "expired")) == ["a requeued", "c requeued"]
    assert batches.in_line() == "abcd"
    assert batches.head() == ["a"]
    assert (batches.batch(), batches.batch(_OTHER)) == ("acd", "b")
    assert batches.claim() == "acd"


def test_a_job_that_crashed_twice_runs_alone(batches: Batches) -> None:
    batches.join("abc")
    assert batches.claim(2) == "ab"
    batches.crash()
    assert batches.claim(2) == "ab"
    batches.crash()
    assert batches.in_line() == "abc"
    batches.join("d")
    assert [batches.claim() for _ in range(3)] == ["a", "b", "cd"]
    batches.crash()
    assert batches.line.fetch("a").status is JobStatus.FAILED
    assert batches.claim() == "cd"


def test_a_batch_that_a_worker_gave_back_can_be_taken_together_again(batches: Batches) -> None:
    batches.join("abc")
    for number in (1, 2, 3):
        assert batches.claim(2) == "ab"
        batches.line.run(scripts.REAP, "released", f"a:e{number}", f"b:e{number}")
        assert batches.in_line() == "abc"


def test_a_canceled_job_is_in_no_batch(batches: Batches) -> None:
    batches.join("abcd")
    batches.line.cancel("a")
    batches.line.cancel("c")
    assert batches.batch() == "bd"
    assert batches.claim() == "bd"


def test_a_follower_whose_deadline_is_over_fails(batches: Batches) -> None:
    batches.join("abcde")
    for name in "bd":
        batches.client.hset(keys.JOB_PREFIX + name, "deadline", "1")
    assert batches.claim(3) == "ac"
    assert [batches.line.fetch(name).status.value for name in "bd"] == ["failed", "failed"]
    assert batches.in_line() == batches.batch() == "e"


def test_what_is_taken_already_is_not_failed_with_those_that_are_too_late(batches: Batches) -> None:
    batches.join("abc")
    batches.client.zadd(keys.DEADLINES, dict.fromkeys("abc", 1.0))
    batches.client.hset(f"{keys.JOB_PREFIX}c", "deadline", "1")
    assert batches.claim() == "ab"
    assert [batches.line.fetch(name).status.value for name in "abc"] == ["running", "running", "failed"]


def test_a_follower_that_a_tool_deleted_is_forgotten(batches: Batches) -> None:
    batches.join("abc")
    batches.client.delete(f"{keys.JOB_PREFIX}b")
    assert batches.claim() == "ac"
    assert batches.in_line() == batches.batch() == ""
    assert not batches.client.exists(f"{keys.JOB_PREFIX}b", keys.OWNERS)


def test_a_follower_that_a_tool_called_ended_is_not_run(batches: Batches) -> None:
    batches.join("abc")
    batches.client.hset(f"{keys.JOB_PREFIX}b", "status", "canceled")
    assert batches.claim() == "ac"
    assert batches.in_line() == batches.batch() == ""


def test_a_follower_whose_record_a_tool_broke_fails(batches: Batches) -> None:
    batches.join("abc")
    batches.client.hdel(f"{keys.JOB_PREFIX}b", "deadline")
    assert batches.claim() == "ac"
    error = batches.line.fetch("b").error
    assert error is not None
    assert error.code == "invalid_job"


def test_two_workers_that_claim_at_once_share_nothing(batches: Batches, redis_url: str) -> None:
    names = [f"{number:03}" for number in range(60)]
    for name in names:
        batches.line.submit(name, batch_key=_KEY if int(name) % 3 else _OTHER)
    taken: list[list[str]] = []
    start = threading.Barrier(2)

    def work(worker: str) -> None:
        start.wait()
        with redis.Redis.from_url(redis_url, decode_responses=True) as client:
            while claimed := Line(client).claim_batch(4, f"e{worker}{len(taken)}", worker):
                taken.append(claimed)

    threads = [threading.Thread(target=work, args=[worker]) for worker in "vw"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for each in taken for name in each) == names
    assert {len(each) for each in taken} == {4}


def test_a_line_of_many_that_cannot_run_is_passed_over_bit_by_bit(batches: Batches) -> None:
    names = [f"{number:03}" for number in range(50)]
    for name in names:
        batches.line.submit(name)
        batches.client.delete(keys.JOB_PREFIX + name)
    batches.line.submit("last")
    assert batches.claim() == ""
    assert len(batches.head()) == 1
    assert [batches.claim() for _ in range(2)] == ["", "last"]
