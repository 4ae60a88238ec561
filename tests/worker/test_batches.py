"""Jobs that share pipeline calls: each gets the pictures that it would get alone, whatever becomes of the others."""

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from structlog.testing import capture_logs

from contract.errors import (
    DeadlineExceeded,
    GenerationFailed,
    InvalidOutput,
    JobFailed,
    ModelUnavailable,
    OutOfMemory,
)
from contract.model import GuidanceKind, Model
from contract.model_catalog import ModelCatalog
from contract.parameters import GenerationParameters, GenerationRequest
from contract.rung import Rung
from tests.random_models import write_model, write_shallow_model
from tests.worker.drawing import CARD, CATALOG, CPU, Guest, bytes_of, denoiser, difference, ignore
from tests.worker.test_denoise import _raise
from tests.worker.test_kinds import IDS, local
from tests.worker.test_out_of_memory import failing
from worker import drawing
from worker.batch import Drawn
from worker.denoise import Denoiser
from worker.device import Device
from worker.execution import DeviceLost, Interrupted, JobCanceled, LeaseLost, WorkerStopping
from worker.memory_plan import MemoryPlan, Room
from worker.phases import ImageToDraw
from worker.pipeline import LoadedPipeline
from worker.previews import PreviewArray
from worker.prompt_encoding import EncodedPrompt
from worker.share import Share, calls_of
from worker.warm_models import WarmModels

SMALL = {"width": 64, "height": 64, "num_inference_steps": 3}
MIXED: tuple[dict[str, Any], ...] = (
    {"prompt": "a fox", "guidance_scale": 7.3},
    {"prompt": "a fox", "negative_prompt": "red"},
    {"prompt": "a", "guidance_scale": 1.5, "output_format": "webp"},
    {"prompt": "a house by the sea", "num_images_per_prompt": 2},
    {"prompt": "two dogs", "negative_prompt": "blurry, dark", "guidance_scale": 12.0, "output_format": "jpeg"},
    {"prompt": "a red ball", "guidance_scale": 2.25},
    {"prompt": "a fox", "seed": 2**32 - 1},
)
"""Eight images of seven jobs."""
FEW = MIXED[2:5]
"""Four of three."""


def jobs(model: Model = CATALOG.default, *asked: dict[str, Any], **changes: Any) -> list[GenerationParameters]:
    """With a seed each."""
    return [
        model.complete(GenerationRequest.model_validate({"seed": 10 * at, **SMALL, **each, **changes}), seed=0)
        for at, each in enumerate(asked or MIXED)
    ]


@pytest.fixture(scope="module")
def draw(tmp_path_factory: pytest.TempPathFactory) -> Denoiser:
    draw = denoiser(tmp_path_factory.mktemp("batches"), CPU)
    draw.warm_up()
    return draw


@pytest.fixture(scope="module")
def alone(draw: Denoiser) -> list[Drawn]:
    """What each of MIXED is by itself, with the default scheduler."""
    return [draw(each, ignore) for each in jobs()]


@pytest.fixture(scope="module")
def few(draw: Denoiser) -> list[tuple[GenerationParameters, Drawn]]:
    """The jobs of FEW, of one step, and what each is by itself."""
    return [(each, draw(each, ignore)) for each in jobs(CATALOG.default, *FEW, num_inference_steps=1)]


def together(draw: Denoiser, wanted: Sequence[GenerationParameters], **members: Callable[..., None]) -> list[Guest]:
    """The members, of which `_2=…` gives the third its own step_done."""
    guests = [Guest(each, members.get(f"_{at}", ignore)) for at, each in enumerate(wanted)]
    draw.draw_batch(guests)
    return guests


def raising(reason: Exception, at_step: int = 2) -> Callable[..., None]:
    def step_done(step: int, _total: int, _peek: object) -> None:
        if step == at_step:
            raise reason

    return step_done


@pytest.mark.parametrize("scheduler", [scheduler.name for scheduler in CATALOG.default.offered_schedulers])
def test_every_image_of_a_mixed_batch_is_the_one_that_its_job_gets_alone(draw: Denoiser, scheduler: str) -> None:
    wanted = jobs(scheduler=scheduler)
    guests = [Guest(each) for each in wanted]
    assert draw.draw_batch(guests) == [8]
    for guest in guests:
        assert difference(guest.result, draw(guest.parameters, ignore)) <= 1
        assert (guest.result.batch_size, guest.result.rung) == (8, Rung.CPU)


def test_nothing_is_compared_with_itself(alone: list[Drawn]) -> None:
    single = [drawn for drawn in alone if len(drawn.images) == 1]
    assert all(difference(one, other) > 20 for one in single for other in single if one is not other)


def test_so_it_is_with_every_scheduler_that_the_bundled_model_does_not_take(tmp_path: Path) -> None:
    model = local("sd15", write_shallow_model(tmp_path / "model"), variant=None)
    others = [each for each in model.offered_schedulers if each not in CATALOG.default.offered_schedulers]
    assert len(others) > 10
    draw = denoiser(tmp_path, CPU, ModelCatalog([model]))
    asked = [{"prompt": "a fox", "guidance_scale": 7.3}, {"prompt": "two dogs", "num_images_per_prompt": 2}]
    for scheduler in others:
        for guest in together(draw, jobs(model, *asked, scheduler=scheduler.name, num_inference_steps=4)):
            assert guest.result.batch_size == 3
            assert difference(guest.result, draw(guest.parameters, ignore)) <= 1, scheduler.name


@pytest.mark.parametrize("model_id", ["sdxl", "pixart-sigma", "lcm", "flux-schnell"])
def test_so_it_is_with_every_kind_of_pipeline(tmp_path: Path, model_id: str) -> None:
    model = local(model_id, write_model(tmp_path / "model", IDS[model_id], "tiny", "random"), variant=None)
    draw = denoiser(tmp_path, CPU, ModelCatalog([model]))
    asked: list[dict[str, Any]] = [{"prompt": "a fox"}, {"prompt": "two dogs", "num_images_per_prompt": 2}]
    by_scales = [asked]
    if model.guidance is GuidanceKind.CLASSIFIER_FREE:
        by_scales = [
            [each | {"guidance_scale": scale} for each, scale in zip(asked, scales, strict=True)]
            for scales in ((7.3, 1.5), (0.0, 0.9))
        ]
        by_scales[0].append({"prompt": "a fox", "guidance_scale": 12.0, "negative_prompt": "red"})
    for each in by_scales:
        for guest in together(draw, jobs(model, *each, num_inference_steps=2)):
            assert difference(guest.result, draw(guest.parameters, ignore)) <= 1


REASONS: list[JobFailed | Interrupted] = [JobCanceled(), DeadlineExceeded("late"), WorkerStopping(), LeaseLost()]


def test_who_leaves_at_a_step_is_told_at_once_and_does_not_disturb_the_others(
    draw: Denoiser, alone: list[Drawn]
) -> None:
    undisturbed = together(draw, jobs())
    leaving = {f"_{at}": raising(reason, at_step=at % 3 + 1) for at, reason in enumerate(REASONS)}
    told_at: list[int] = []
    guests = [Guest(each, leaving.get(f"_{at}", ignore)) for at, each in enumerate(jobs())]
    guests[-1].step_done = lambda *_: told_at.append(sum(len(guest.told) for guest in guests))
    assert draw.draw_batch(guests) == [8]
    assert [guest.told[0] for guest in guests[:4]] == REASONS
    assert told_at[:3] == [2, 3, 4]
    for guest, before, by_itself in zip(guests[4:], undisturbed[4:], alone[4:], strict=True):
        assert bytes_of(guest.result) == bytes_of(before.result)
        assert difference(guest.result, by_itself) <= 1
    assert all(len(guest.told) == 1 for guest in guests)


def test_when_nobody_is_left_the_pipeline_call_is_aborted(draw: Denoiser, alone: list[Drawn]) -> None:
    steps: list[int] = []

    def leave(step: int, _total: int, _peek: object) -> None:
        steps.append(step)
        if step == 2:
            raise JobCanceled

    guests = [Guest(each, leave) for each in jobs()]
    assert draw.draw_batch(guests) == []
    assert steps == [1] * 7 + [2] * 7
    assert all(isinstance(guest.told[0], JobCanceled) for guest in guests)
    assert bytes_of(draw(jobs()[0], ignore)) == bytes_of(alone[0])


def test_a_call_that_all_of_its_own_have_left_is_aborted_for_the_next_one(draw: Denoiser) -> None:
    longer = jobs(CATALOG.default, {"prompt": "a red fox on a blue background, " * 10}, {"prompt": "a fox"})
    seen: list[tuple[int, int]] = []
    guests = together(
        draw, longer, _0=raising(JobCanceled(), 1), _1=lambda step, total, _peek: seen.append((step, total))
    )
    assert isinstance(guests[0].told[0], JobCanceled)
    assert seen[:4] == [(1, 6), (1, 3), (2, 3), (3, 3)]
    assert difference(guests[1].result, draw(longer[1], ignore)) == 0


def test_prompts_of_another_length_have_a_call_of_their_own(draw: Denoiser) -> None:
    long = "a red fox on a blue background, " * 10
    asked = [{"prompt": "a fox"}, {"prompt": long}, {"prompt": "two dogs"}, {"prompt": long, "guidance_scale": 9.0}]
    guests = [Guest(each) for each in jobs(CATALOG.default, *asked)]
    assert draw.draw_batch(guests) == [2, 2]
    for guest in guests:
        assert difference(guest.result, draw(guest.parameters, ignore)) <= 1


def test_calls_are_filled_across_jobs_but_not_across_shapes_of_prompts() -> None:
    two = {"prompt": "a", "num_images_per_prompt": 2}
    shares = [Share(Guest(each)) for each in jobs(CATALOG.default, two, two, {"prompt": "b"}, {"prompt": "a"}, two)]
    for share in shares[:4]:
        share.prompt = EncodedPrompt({"prompt": share.parameters.prompt})
    drawn = [[shares.index(row.share) for row in call] for call in calls_of(shares, 3)]
    assert drawn == [[0, 0, 1], [1, 3], [2]]


def test_scales_are_not_mixed_where_a_pipeline_gets_texts() -> None:
    shares = [Share(Guest(each)) for each in jobs(CATALOG.default, *({"prompt": "a", "guidance_scale": 3.0},) * 2)]
    shares.append(Share(Guest(jobs(CATALOG.default, {"prompt": "a", "guidance_scale": 4.0})[0])))
    for share in shares:
        share.prompt = EncodedPrompt({"prompt": "a"})
    assert [len(call) for call in calls_of(shares, 8)] == [2, 1]


def test_after_a_call_that_ran_out_the_next_has_half_of_its_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [{"prompt": "a red fox on a blue background, " * 10}, *FEW[:2]]
    guests = [Guest(each) for each in jobs(CATALOG.default, *reversed(asked), num_inference_steps=1)]
    with failing(monkeypatch, "draw_latents", 1, calls=1):
        assert denoiser(tmp_path, CARD).draw_batch(guests) == [1, 1, 1, 1]  # not of the four that might have been


def test_who_leaves_between_the_decodes_is_not_decoded(draw: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    original = drawing.decode
    monkeypatch.setattr(drawing, "decode", lambda *of: (decoded.append(1), original(*of))[1])

    def after_two(*_: object) -> None:
        if len(decoded) == 2:
            raise JobCanceled

    guests = together(draw, jobs(), _5=after_two)
    assert isinstance(guests[5].told[0], JobCanceled)
    assert len(decoded) == 7


def test_a_job_of_several_images_can_leave_between_its_own_decodes_but_not_after_the_last(
    draw: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, decoded = drawing.decode, []
    monkeypatch.setattr(drawing, "decode", lambda *of: (decoded.append(1), original(*of))[1])

    def after(count: int) -> Callable[..., None]:
        def step_done(*_: object) -> None:
            if len(decoded) == count:
                raise JobCanceled

        return step_done

    (wanted,) = jobs(CATALOG.default, {"prompt": "a fox", "num_images_per_prompt": 3}, num_inference_steps=1)
    leaving, staying = Guest(wanted, after(2)), Guest(wanted, after(3))
    draw.draw_batch([leaving])
    assert len(decoded) == 2
    assert isinstance(leaving.told[0], JobCanceled)
    decoded.clear()
    draw.draw_batch([staying])
    assert len(staying.result.images) == 3


@pytest.mark.parametrize(
    ("device", "told_before"), [(CARD, [0, 1, 2, 3, 3, 4, 5, 6]), (CPU, [0] * 8)], ids=["card", "cpu"]
)
def test_a_job_has_its_pictures_before_the_next_one_is_decoded_unless_that_takes_the_same_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: Device, told_before: list[int]
) -> None:
    told: list[int] = []
    original = drawing.decode
    guests = [Guest(each) for each in jobs()]

    def decode(*of: Any) -> Any:
        told.append(sum(len(guest.told) for guest in guests))
        return original(*of)

    monkeypatch.setattr(drawing, "decode", decode)
    denoiser(tmp_path, device).draw_batch(guests)
    assert told == told_before
    assert [len(guest.result.images) for guest in guests] == [1, 1, 1, 2, 1, 1, 1]


def test_a_job_that_is_decoded_has_its_pictures_though_the_next_one_never_gets_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = drawing.decode, count()

    def decode(*of: Any) -> Any:
        if next(calls) > 0:
            raise MemoryError
        return original(*of)

    monkeypatch.setattr(drawing, "decode", decode)
    with capture_logs():
        first, second = together(denoiser(tmp_path, CPU), jobs(CATALOG.default, *FEW[:2], num_inference_steps=1))
    assert len(first.result.images) == 1
    assert isinstance(second.told[0], OutOfMemory)


def test_a_prompt_that_the_pipeline_fails_on_fails_its_own_job_alone(
    draw: Denoiser, alone: list[Drawn], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = drawing.draw_latents

    def poisoned(loaded: LoadedPipeline, images: Sequence[ImageToDraw], *of: Any) -> Any:
        if any(image.parameters.prompt == "two dogs" for image in images):
            raise ValueError("no such words")
        return original(loaded, images, *of)

    monkeypatch.setattr(drawing, "draw_latents", poisoned)
    guests = [Guest(each) for each in jobs()]
    with capture_logs() as lines:
        assert draw.draw_batch(guests) == [1, 1, 1, 2, 1, 1]
    assert [isinstance(guest.told[0], GenerationFailed) for guest in guests] == [False] * 4 + [True] + [False] * 2
    assert [bytes_of(guest.result) for guest in guests if guest is not guests[4]] == [
        bytes_of(drawn) for drawn in alone if drawn is not alone[4]
    ]
    (split,) = [line for line in lines if line["event"] == "batch_split"]
    assert (split["jobs"], split["reason"]) == (7, "generation_failed")


def test_who_left_before_a_batch_was_split_is_not_drawn_again_and_who_leaves_then_is_not_begun(
    draw: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, sizes = drawing.draw_latents, []

    def failing_together(loaded: LoadedPipeline, images: Sequence[ImageToDraw], *of: Any) -> Any:
        sizes.append(len(images))
        latents = original(loaded, images, *of)
        if len(images) > 2:
            raise ValueError("odd")
        return latents

    monkeypatch.setattr(drawing, "draw_latents", failing_together)
    with capture_logs():
        guests = together(draw, jobs(), _0=raising(JobCanceled()), _1=raising(LeaseLost(), at_step=0))
    assert sizes == [8, 1, 2, 1, 1, 1]
    assert [type(guest.told[0]) for guest in guests] == [JobCanceled, LeaseLost, *[Drawn] * 5]


@pytest.mark.parametrize("times", [1, 2])
def test_numbers_that_are_no_picture_are_the_affair_of_their_own_job(
    draw: Denoiser, alone: list[Drawn], monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    original, sizes = drawing.draw_latents, []

    def poisoned(loaded: LoadedPipeline, images: Sequence[ImageToDraw], *of: Any) -> list[torch.Tensor]:
        sizes.append(len(images))
        spoil = len(sizes) <= times
        latents: list[torch.Tensor] = original(loaded, images, *of)
        return [
            each * torch.nan if spoil and image.parameters.guidance_scale == 2.25 else each
            for each, image in zip(latents, images, strict=True)
        ]

    monkeypatch.setattr(drawing, "draw_latents", poisoned)
    guests = together(draw, jobs())
    assert sizes == [8, 1]
    for guest, by_itself in zip(guests, alone, strict=True):
        if times == 2 and guest is guests[5]:
            assert isinstance(guest.told[0], InvalidOutput)
        else:
            assert difference(guest.result, by_itself) <= 1


def test_a_decode_that_is_no_picture_twice_fails_its_own_job(draw: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    original, made = drawing.decode, []

    def spoiled(*of: Any) -> Image.Image | None:
        made.append(1)
        return None if len(made) in (2, 3) else original(*of)

    monkeypatch.setattr(drawing, "decode", spoiled)
    guests = together(draw, jobs())
    assert len(made) == 9
    assert [isinstance(guest.told[0], InvalidOutput) for guest in guests] == [False, True, *[False] * 5]


def test_a_judge_that_fails_on_a_picture_fails_its_own_job(draw: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    class Judge:
        def withholds(self, image: Image.Image) -> bool:
            if image.tobytes() == hated:
                raise ValueError("odd")
            return False

    def judged(of: drawing.Drawing, plan: MemoryPlan) -> LoadedPipeline:
        loaded = load(of, plan)
        of._image_filters = (Judge(),)
        return loaded

    load, hated = drawing.Drawing._load, bytes_of(together(draw, jobs())[1].result)[0]
    monkeypatch.setattr(drawing.Drawing, "_load", judged)
    guests = together(draw, jobs())
    assert [isinstance(guest.told[0], GenerationFailed) for guest in guests] == [False, True, *[False] * 5]
    assert all(guest.result.filter_seconds is not None for guest in guests if guest is not guests[1])


@pytest.mark.parametrize("allocation", [1, 400])
def test_memory_that_runs_out_in_a_batch_ends_with_every_job_drawn_and_smaller_batches(
    tmp_path: Path,
    few: list[tuple[GenerationParameters, Drawn]],
    monkeypatch: pytest.MonkeyPatch,
    allocation: int,
) -> None:
    draw = denoiser(tmp_path, CARD, max_batch=8)
    assert draw.batch_limits().images == 8
    guests = [Guest(wanted) for wanted, _ in few]
    with failing(monkeypatch, "draw_latents", allocation, calls=1):
        assert draw.draw_batch(guests) == [2, 2]
    for guest, (_, by_itself) in zip(guests, few, strict=True):
        assert difference(guest.result, by_itself) <= 1
    assert draw.ran_out() == {("pocket", Rung.ON_DEVICE): 1}
    assert list(draw.batch_limits().by_key.values()) == [2]


def test_memory_that_runs_out_however_often_it_is_tried_is_met_by_each_job_alone(
    tmp_path: Path, few: list[tuple[GenerationParameters, Drawn]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "_MAX_RETRIES", 2)
    draw = denoiser(tmp_path, CARD)
    guests = [Guest(wanted) for wanted, _ in few]
    with failing(monkeypatch, "draw_latents", 100, calls=3) as calls, capture_logs() as lines:
        assert draw.draw_batch(guests) == [1, 2, 1]
    assert len(calls) == 3 + 3  # four, two and one; then each job on the next layout
    for guest, (_, by_itself) in zip(guests, few, strict=True):
        assert difference(guest.result, by_itself) <= 1
    assert [line["reason"] for line in lines if line["event"] == "batch_split"] == ["out_of_memory"]


def test_a_decode_that_runs_out_keeps_what_the_others_have(
    tmp_path: Path, few: list[tuple[GenerationParameters, Drawn]], monkeypatch: pytest.MonkeyPatch
) -> None:
    original, made = drawing.decode, []

    def third_fails(*of: Any) -> Any:
        made.append(1)
        if len(made) == 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return original(*of)

    monkeypatch.setattr(drawing, "decode", third_fails)
    guests = together(denoiser(tmp_path, CARD), [wanted for wanted, _ in few])
    assert len(made) == 5
    # The second job's first image is decoded by then: of its two rungs it shows the lower.
    assert [guest.result.rung for guest in guests] == [Rung.ON_DEVICE, Rung.MODEL_OFFLOAD, Rung.MODEL_OFFLOAD]
    for guest, (_, by_itself) in zip(guests, few, strict=True):
        assert difference(guest.result, by_itself) <= 1


def test_a_lost_device_ends_everything_for_everybody(draw: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    by_the_pipeline, by_a_member = [Guest(each) for each in jobs()], [Guest(each) for each in jobs()]
    by_a_member[3].step_done = raising(DeviceLost("gone"))
    with pytest.raises(DeviceLost, match="gone"):
        draw.draw_batch(by_a_member)
    monkeypatch.setattr(drawing, "draw_latents", _raise(RuntimeError("CUDA error: an illegal memory access")))
    with pytest.raises(DeviceLost):
        draw.draw_batch(by_the_pipeline)
    assert all(guest.told == [] for guest in by_the_pipeline + by_a_member)


def test_a_model_that_cannot_be_had_is_told_to_every_job(tmp_path: Path) -> None:
    gone = CATALOG.default.model_copy(update={"source": str(tmp_path)})
    for guest in together(denoiser(tmp_path, CPU, ModelCatalog([gone])), jobs()):
        assert isinstance(guest.told[0], ModelUnavailable)


def test_each_job_sees_its_own_picture(draw: Denoiser) -> None:
    def seen_by(wanted: list[GenerationParameters]) -> list[list[PreviewArray]]:
        seen: list[list[PreviewArray]] = [[] for _ in wanted]
        guests = [
            Guest(each, lambda _step, _total, peek, mine=mine: mine.append(peek()))
            for each, mine in zip(wanted, seen, strict=True)
        ]
        draw.draw_batch(guests)
        return [[each for each in mine if each is not None] for mine in seen]

    # The colours are learned from every picture: here from none.
    draw.planned(CATALOG.default).colours.__init__()
    in_batch = seen_by(jobs())
    assert [len(mine) for mine in in_batch] == [3] * 7
    for mine, wanted in zip(in_batch, jobs(), strict=True):
        draw.planned(CATALOG.default).colours.__init__()
        (by_itself,) = seen_by([wanted])
        for one, other in zip(mine, by_itself, strict=True):
            assert abs(one.astype(int) - other.astype(int)).max() <= 1


def test_an_exclusive_job_has_a_call_for_each_image_whose_bytes_are_those_of_a_single_run(draw: Denoiser) -> None:
    (wanted,) = jobs(CATALOG.default, {"prompt": "a fox", "num_images_per_prompt": 3, "seed": 5})
    guest = Guest(wanted, exclusive=True)
    assert draw.draw_batch([guest]) == [1, 1, 1]
    assert guest.result.batch_size == 1
    singles = [jobs(CATALOG.default, {"prompt": "a fox", "seed": 5 + index})[0] for index in range(3)]
    assert bytes_of(guest.result) == [bytes_of(draw(single, ignore))[0] for single in singles]


def test_an_exclusive_job_is_planned_as_one_image_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = denoiser(tmp_path, CARD)
    (wanted,) = jobs(CATALOG.default, {"prompt": "a fox", "num_images_per_prompt": 8}, num_inference_steps=1)
    planned = draw.planned(CATALOG.default)
    for_four = planned.look_ahead(planned.demand(wanted, 4)).predicted_bytes
    monkeypatch.setattr(WarmModels, "room", lambda _: Room(int(for_four / 0.95) + 1, 2**40))
    assert planned.look_ahead(planned.demand(wanted)).rung is Rung.SMALLER_BATCH
    draw.draw_batch([Guest(wanted, exclusive=True)])
    assert planned.rung is Rung.ON_DEVICE


def test_seconds_are_each_jobs_own_where_they_can_be_and_count_in_full_where_not(draw: Denoiser) -> None:
    drawn = [guest.result for guest in together(draw, jobs())]
    assert len({each.denoise_seconds for each in drawn}) == 1
    assert len({each.decode_seconds for each in drawn}) == len(drawn)
    assert all(each.filter_seconds is None for each in drawn)


def test_a_batch_has_no_more_images_than_are_drawn_at_once_at_no_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = denoiser(tmp_path, CARD, max_batch=16)
    planned, wanted = draw.planned(CATALOG.default), jobs(num_inference_steps=1)[0]
    for_five = planned.look_ahead(planned.demand(wanted, 5)).predicted_bytes
    for free, most in ((int(for_five / 0.95) + 1, 4), (2**40, 16)):
        monkeypatch.setattr(WarmModels, "room", lambda _, free=free: Room(free, 2**40))
        draw(wanted, ignore)
        assert draw.batch_limits().images == 16
        assert list(draw.batch_limits().by_key.values()) == [most]


def test_a_number_that_is_left_open_begins_with_one_and_is_learned(tmp_path: Path) -> None:
    draw = denoiser(tmp_path, CPU)
    assert draw.batch_limits().as_json() == '{"images": 1, "by_key": {}}'
    draw.warm_up()
    for expected in (1, 2):
        draw(jobs()[0], ignore)
        assert draw.batch_limits().by_key == {"pocket 64x64 3 DDIM guided": expected}
