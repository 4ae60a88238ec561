"""Deliveries of webhooks between several processes: each takes its share, and one at a time has a delivery."""

import json
from typing import Any

import pytest
import redis

from contract import keys, scripts
from contract.webhook import Delivery
from tests.contract.test_scripts import Line
from tests.submissions import OWNER


class Hooks:
    """Jobs that have ended, and what their webhooks are to be told."""

    def __init__(self, client: redis.Redis) -> None:
        self.line = Line(client)
        self.client = client

    def end(self, name: str, host: str = "a.example", owner: str = OWNER) -> None:
        webhook = {"url": f"https://{host}/", "events": ["job.canceled"]}
        self.line.submit(name, webhook=json.dumps(webhook), webhook_host=host, owner=owner)
        self.line.run(scripts.CANCEL, name, owner)

    def begin(self, name: str) -> None:
        """A running job whose webhook is to be told that it is."""
        webhook = {"url": "https://a.example/", "events": ["job.running", "job.canceled"]}
        self.line.submit(name, webhook=json.dumps(webhook), webhook_host="a.example")
        self.line.claim()

    def states(self, name: str) -> dict[str, str]:
        webhook = self.line.fetch(name).webhook
        assert webhook is not None
        return {delivery.event: delivery.state for delivery in webhook.deliveries}

    def stop(self, name: str, lease: str) -> None:
        """As an answer of 410 does."""
        webhook = self.line.fetch(name).webhook
        assert webhook is not None
        text = webhook.deliveries[0].model_copy(update={"state": "stopped"}).model_dump_json(exclude_defaults=True)
        assert self.line.run(scripts.SETTLE_DELIVERY, name, "job.running", lease, text, "") == 1

    def take(self, most: int = 9, share: int = 9, **under_way: int) -> dict[str, str]:
        """Job names and leases."""
        calling = [part for host, count in under_way.items() for part in (f"{OWNER} {host}.example", count)]
        _, taken = self.line.run(scripts.TAKE_DELIVERIES, most, share, *calling)
        return {name: lease for _, name, _, lease, *_ in taken}

    def settle(self, name: str, lease: str, state: str = "delivered", delay: Any = "") -> int:
        delivery = self.delivery(name).model_copy(update={"state": state})
        text = delivery.model_dump_json(exclude_defaults=True)
        return int(self.line.run(scripts.SETTLE_DELIVERY, name, "job.canceled", lease, text, delay))

    def delivery(self, name: str) -> Delivery:
        webhook = self.line.fetch(name).webhook
        assert webhook is not None
        (delivery,) = webhook.deliveries
        return delivery

    def let_time_go_by(self) -> None:
        for receiver in map(str, self.client.zrange(keys.RECEIVERS, 0, -1)):
            for delivery in map(str, self.client.zrange(f"{keys.DELIVERIES_PREFIX}{receiver}", 0, -1)):
                self.client.zadd(f"{keys.DELIVERIES_PREFIX}{receiver}", {delivery: 1})
            self.client.zadd(keys.RECEIVERS, {receiver: 1})


@pytest.fixture
def hooks(client: redis.Redis) -> Hooks:
    return Hooks(client)


def test_a_delivery_is_leased_to_one_process(hooks: Hooks) -> None:
    hooks.end("a")
    assert list(hooks.take()) == ["a"]
    assert hooks.take() == {}


def test_a_lease_that_ran_out_is_anothers_and_the_late_one_settles_nothing(hooks: Hooks) -> None:
    hooks.end("a")
    late = hooks.take()["a"]
    hooks.let_time_go_by()
    lease = hooks.take()["a"]
    assert hooks.settle("a", late, "failed") == 0
    assert hooks.delivery("a").state == "pending"
    assert hooks.settle("a", lease) == 1
    assert hooks.delivery("a").state == "delivered"
    assert hooks.settle("a", lease, "failed") == 0


def test_a_late_one_settles_where_nobody_took_over(hooks: Hooks) -> None:
    hooks.end("a")
    lease = hooks.take()["a"]
    hooks.let_time_go_by()
    assert hooks.settle("a", lease) == 1
    assert hooks.take() == {}


def test_what_is_to_be_tried_again_is_due_then(hooks: Hooks) -> None:
    hooks.end("a")
    hooks.settle("a", hooks.take()["a"], "pending", 100)
    assert hooks.take() == {}
    delivery = hooks.delivery("a")
    assert delivery.next_attempt_at is not None
    assert 99 < (delivery.next_attempt_at - delivery.created_at).total_seconds() < 105
    hooks.let_time_go_by()
    hooks.settle("a", hooks.take()["a"], "pending", 0)
    assert list(hooks.take()) == ["a"]


def test_a_receiver_has_its_share_and_leaves_the_rest_to_others(hooks: Hooks) -> None:
    for index in range(6):
        hooks.end(f"a{index}")
    hooks.end("b0", "b.example")
    assert sorted(hooks.take(share=2)) == ["a0", "a1", "b0"]
    assert sorted(hooks.take(share=2, a=2)) == []
    assert sorted(hooks.take(share=2, a=1)) == ["a2"]
    assert sorted(hooks.take(most=2)) == ["a3", "a4"]


def test_a_receiver_that_is_slow_for_one_owner_is_so_for_no_other(hooks: Hooks) -> None:
    for index in range(3):
        hooks.end(f"a{index}")
    hooks.end("b0", owner="bob")
    assert sorted(hooks.take(share=2, a=2)) == ["b0"]


def test_receivers_that_have_their_share_hide_none_behind_them(hooks: Hooks) -> None:
    for index in range(3):
        for host in "abc":
            hooks.end(f"{host}{index}", f"{host}.example")
    hooks.end("d0", "d.example")
    assert list(hooks.take(most=1, share=2, a=2, b=2, c=2)) == ["d0"]


def test_what_is_being_sent_is_not_sent_again_at_once(hooks: Hooks) -> None:
    hooks.end("a")
    lease = hooks.take()["a"]
    count, _ = hooks.line.run(scripts.REDELIVER, "a", "anonymous")
    assert count == 1
    assert hooks.take() == {}
    assert hooks.settle("a", lease) == 1


def test_a_receiver_that_is_gone_is_not_told_what_waits_either(hooks: Hooks) -> None:
    hooks.begin("a")
    lease = hooks.take()["a"]
    hooks.line.finish("a", status="canceled")
    assert hooks.states("a") == {"job.running": "pending", "job.canceled": "pending"}
    hooks.stop("a", lease)
    assert hooks.states("a") == {"job.running": "stopped", "job.canceled": "stopped"}
    hooks.let_time_go_by()
    assert hooks.take() == {}


def test_after_it_was_sent_again_a_job_tells_its_end(hooks: Hooks) -> None:
    hooks.begin("a")
    hooks.stop("a", hooks.take()["a"])
    assert hooks.line.run(scripts.REDELIVER, "a", "anonymous")[0] == 1
    hooks.line.finish("a", status="canceled")
    assert hooks.states("a") == {"job.running": "pending", "job.canceled": "pending"}


def test_what_a_tool_deleted_is_told_to_nobody(hooks: Hooks) -> None:
    hooks.end("a")
    hooks.client.delete(f"{keys.JOB_PREFIX}a")
    assert hooks.take() == {}
    assert not hooks.client.exists(keys.RECEIVERS)


def test_another_owner_has_nothing_sent_again(hooks: Hooks) -> None:
    hooks.end("a")
    hooks.settle("a", hooks.take()["a"])
    assert hooks.line.run(scripts.REDELIVER, "a", "bob") == [0, None]
    assert hooks.delivery("a").state == "delivered"
    assert hooks.take() == {}
