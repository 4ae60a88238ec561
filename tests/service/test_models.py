import time
from pathlib import Path
from typing import Any

import redis

from contract import keys, scripts
from contract.worker_state import ModelState, WorkerState
from tests.service.conftest import Service, start_service, stop_service


def tell(client: redis.Redis, name: str, model: ModelState, **state: Any) -> None:
    worker = WorkerState(**({"state": "ready", "pid": 1, "models": {"pocket": model}} | state))
    client.register_script(scripts.BEAT)(args=[name, worker.model_dump_json()])


def pocket(service: Service) -> dict[str, Any]:
    (model,) = service.http.get("/models").json()["models"]
    return dict(model)


def test_the_models_on_offer_are_listed_with_defaults_and_limits(service: Service) -> None:
    model = pocket(service)
    assert (model["id"], model["default"], model["licence"], model["guidance"]) == (
        "pocket",
        True,
        "Apache-2.0",
        "classifier_free",
    )
    assert model["defaults"]["num_inference_steps"] <= model["limits"]["num_inference_steps"]
    assert model["limits"]["pixels"] == 65536
    assert model["defaults"]["scheduler"] in model["schedulers"]


def test_without_a_worker_nobody_knows_how_a_model_stands(service: Service) -> None:
    model = pocket(service)
    assert (model["state"], model["can_run"], model["rung"], model["reason"]) == ("cold", None, None, None)


def test_a_model_stands_as_the_readiest_worker_says(service: Service, client: redis.Redis) -> None:
    warm = ModelState(state="warm", rung="cpu", size_bytes=31268172, mean_seconds_per_image=0.4, can_run=True)
    tell(client, "a", ModelState(can_run=False, reason="0.40 GiB are missing"))
    assert pocket(service)["reason"] == "0.40 GiB are missing"
    tell(client, "b", warm)
    tell(client, "c", ModelState(state="cold", can_run=True))
    model = pocket(service)
    assert {name: model[name] for name in ModelState.model_fields} == warm.model_dump(mode="json")


def test_a_worker_that_is_silent_or_not_ready_is_not_believed(service: Service, client: redis.Redis) -> None:
    warm = ModelState(state="warm", can_run=True)
    tell(client, "a", warm, state="loading")
    silent = WorkerState(state="ready", pid=1, models={"pocket": warm}).model_dump_json()
    client.hset(keys.WORKERS, "b", f"{time.time() - 60} {silent}")
    assert pocket(service)["state"] == "cold"


def test_what_is_on_offer_is_told_without_redis_too(tmp_path: Path) -> None:
    service = start_service(f"unix://{tmp_path}/nothing.sock", tmp_path)
    try:
        assert pocket(service)["id"] == "pocket"
    finally:
        stop_service(service)


def test_the_schedulers_are_listed_with_the_models_that_take_them(service: Service) -> None:
    schedulers = {each["name"]: each for each in service.http.get("/schedulers").json()["schedulers"]}
    assert schedulers["DPM++ 2M Karras"] == {
        "name": "DPM++ 2M Karras",
        "class_name": "DPMSolverMultistepScheduler",
        "options": {"use_karras_sigmas": True},
        "family": "diffusion",
        "models": [],
    }
    assert schedulers["Euler a"]["models"] == ["pocket"]


def test_a_scheduler_may_be_named_as_diffusers_does(service: Service) -> None:
    assert service.submit(scheduler="EulerAncestralDiscreteScheduler")["parameters"]["scheduler"] == "Euler a"
    assert service.submit(scheduler="euler A")["parameters"]["scheduler"] == "Euler a"


def test_a_worker_that_can_run_a_model_counts_before_one_that_has_it_nearer(
    service: Service, client: redis.Redis
) -> None:
    tell(client, "a", ModelState(state="warm", can_run=False))
    tell(client, "b", ModelState(state="cold", can_run=True))
    assert pocket(service)["can_run"] is True
    tell(client, "c", ModelState(state="in_memory", can_run=True))
    assert pocket(service)["state"] == "in_memory"
