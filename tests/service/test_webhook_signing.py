from datetime import UTC, datetime

import redis.asyncio

from service.webhooks.signing import FORMER_SECONDS, WebhookSecrets, signed_headers

NOW = 1_800_000_000.0


def secrets(key: bytes = b"k" * 32) -> WebhookSecrets:
    return WebhookSecrets(redis.asyncio.Redis(), key)


def test_the_signature_is_the_published_one() -> None:
    """The example of the Standard Webhooks specification."""
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1614265330, UTC),
        '{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_every_owner_and_every_service_has_secrets_of_its_own() -> None:
    (alice,) = secrets().in_force("alice", [], NOW)
    assert secrets().in_force("alice", [], NOW) == [alice]
    assert secrets().in_force("bob", [], NOW) != [alice]
    assert secrets(b"x" * 32).in_force("alice", [], NOW) != [alice]


def test_a_former_secret_signs_for_a_day() -> None:
    (first,) = secrets().in_force("alice", [], NOW)
    second, former = secrets().in_force("alice", [str(NOW)], NOW + FORMER_SECONDS - 1)
    assert (former, second != first) == (first, True)
    assert secrets().in_force("alice", [str(NOW)], NOW + FORMER_SECONDS) == [second]


def test_of_several_rotations_in_a_day_every_former_secret_signs() -> None:
    rotations = [str(NOW + 2), str(NOW + 1)]
    assert len(secrets().in_force("alice", rotations, NOW + 3)) == 3
    assert len(secrets().in_force("alice", rotations, NOW + 1 + FORMER_SECONDS)) == 2
    many = [str(NOW - hour) for hour in range(4)]
    assert len(secrets().in_force("alice", many, NOW + 3)) == 4
