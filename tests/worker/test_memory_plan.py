"""The choice of a rung: arithmetic over cards of 2 to 80 GiB, with the footprints of real models."""

import pytest

from contract.rung import Rung
from worker.activations import Activations
from worker.footprint import Footprint, Part
from worker.memory_plan import (
    GIB,
    Demand,
    DoesNotFit,
    Estimate,
    Layout,
    MemoryPlan,
    Room,
    largest_side,
    plan_memory,
    step_down,
)
from worker.observed_memory import ModelMemory

CARD = tuple(rung for rung in Rung if rung is not Rung.CPU)
MILLION = 1_000_000
VAE = Part(84 * MILLION, 3 * MILLION)
CLIP_L = Part(123 * MILLION, 38 * MILLION)
SD15 = Footprint(
    {"text_encoder": CLIP_L, "unet": Part(860 * MILLION, 15 * MILLION), "vae": VAE},
    step=Activations(26 * 320 / 64),
    decode=Activations(6 * 128),
    vae_overflows=False,
)
SDXL = Footprint(
    {
        "text_encoder": CLIP_L,
        "text_encoder_2": Part(695 * MILLION, 63 * MILLION),
        "unet": Part(2567 * MILLION, 21 * MILLION),
        "vae": VAE,
    },
    step=Activations(16 * 320 / 64),
    decode=Activations(6 * 128),
    vae_overflows=True,
)
SQUARE_512 = Demand(images=1, width=512, height=512, guided=True)
SQUARE_1024 = Demand(images=1, width=1024, height=1024, guided=True)


def estimate(footprint: Footprint, vae_element_bytes: int = 2, observed: ModelMemory | None = None) -> Estimate:
    return Estimate(footprint, 2, vae_element_bytes, observed or ModelMemory())


def room(device_gib: float, host_gib: float = 32) -> Room:
    return Room(int(device_gib * GIB), int(host_gib * GIB))


def chosen(footprint: Footprint, demand: Demand, device_gib: float, vae_element_bytes: int = 2) -> MemoryPlan:
    return plan_memory(estimate(footprint, vae_element_bytes), demand, room(device_gib), CARD)


@pytest.mark.parametrize("device_gib", [6, 8, 16, 24, 80])
def test_stable_diffusion_1_5_is_on_the_device_from_6_gib_on(device_gib: float) -> None:
    plan = chosen(SD15, SQUARE_512, device_gib)
    assert (plan.rung, plan.batch_size, plan.tile_side) == (Rung.ON_DEVICE, 1, None)


@pytest.mark.parametrize(("device_gib", "rung"), [(80, "on_device"), (24, "on_device"), (16, "on_device")])
def test_sdxl_in_bfloat16_is_on_a_large_card(device_gib: float, rung: str) -> None:
    assert chosen(SDXL, SQUARE_1024, device_gib).rung == rung


def test_sdxl_with_its_autoencoder_in_float32_is_decoded_in_tiles_on_a_16_gib_card() -> None:
    assert chosen(SDXL, SQUARE_1024, 14.7, vae_element_bytes=4).rung is Rung.VAE_TILING


def test_less_memory_never_means_a_higher_rung_or_more_memory() -> None:
    order = list(Rung)
    for footprint, demand in ((SD15, SQUARE_512), (SDXL, SQUARE_1024), (SDXL, Demand(8, 1024, 1024, True))):
        last = -1
        for tenths in range(800, 15, -1):
            try:
                plan = chosen(footprint, demand, tenths / 10)
            except DoesNotFit:
                last = len(order)
                continue
            assert order.index(plan.rung) >= last, (tenths, plan)
            assert plan.predicted_bytes <= tenths / 10 * GIB
            last = order.index(plan.rung)


def test_a_batch_that_does_not_fit_is_split_before_weights_are_moved() -> None:
    plan = chosen(SD15, Demand(8, 512, 512, True), 5)
    assert plan.rung is Rung.SMALLER_BATCH
    assert 1 < plan.batch_size < 8
    assert plan.tile_side is None


def test_tiles_are_smaller_than_the_picture_and_only_used_where_they_must_be() -> None:
    plan = chosen(SDXL, SQUARE_1024, 5, vae_element_bytes=4)
    assert plan.rung in (Rung.GROUP_OFFLOAD, Rung.SEQUENTIAL_OFFLOAD)
    assert plan.tile_side in (512, 256, 128)
    small = chosen(SD15, Demand(1, 128, 128, True), 3)
    assert small.tile_side is None


def test_what_fits_nowhere_says_how_much_is_missing() -> None:
    with pytest.raises(DoesNotFit, match=r"1024x1024 .* on the rung sequential_offload, 0\.47 GiB are free: \d"):
        chosen(SDXL, SQUARE_1024, 0.5)


def test_weights_that_the_cpus_memory_cannot_hold_are_refused() -> None:
    with pytest.raises(DoesNotFit, match="of the CPU's memory for its weights"):
        plan_memory(estimate(SDXL), SQUARE_1024, room(80, host_gib=4), CARD)


def test_a_model_that_is_loaded_already_is_not_refused_for_the_cpus_memory() -> None:
    crowded = Room(80 * GIB, GIB, loaded=Layout.ON_DEVICE)
    assert plan_memory(estimate(SDXL), SQUARE_1024, crowded, CARD).rung is Rung.ON_DEVICE


@pytest.mark.parametrize("first", [1, 2])
def test_a_ladder_that_begins_with_tiles_or_small_batches_takes_a_request_that_needs_neither(first: int) -> None:
    plan = plan_memory(estimate(SD15), Demand(1, 128, 128, True), room(80), CARD[first:])
    assert (plan.rung, plan.batch_size, plan.tile_side) == (CARD[first], 1, None)


def test_the_cpu_is_the_last_rung_where_it_is_allowed_and_computes_in_float32() -> None:
    plan = plan_memory(estimate(SDXL), SQUARE_1024, room(0.5), (*CARD, Rung.CPU))
    assert plan.rung is Rung.CPU
    assert plan.predicted_bytes > 4 * SDXL.parameters


def test_the_largest_picture_that_would_fit_does_fit_and_the_next_does_not() -> None:
    side = largest_side(estimate(SD15), room(3), CARD[:3], True, most=2048)
    assert side is not None
    plan_memory(estimate(SD15), Demand(1, side, side, True), room(3), CARD[:3])
    with pytest.raises(DoesNotFit):
        plan_memory(estimate(SD15), Demand(1, side + 64, side + 64, True), room(3), CARD[:3])


@pytest.mark.parametrize("layout", [layout for layout in Layout if layout is not Layout.CPU])
@pytest.mark.parametrize("demand", [SQUARE_512, SQUARE_1024, Demand(4, 768, 768, False)])
def test_after_one_run_the_prediction_is_within_15_percent_of_the_peak(layout: Layout, demand: Demand) -> None:
    memory = ModelMemory()
    of = estimate(SDXL, observed=memory)
    size = demand.images * demand.rows * demand.pixels
    activations = 900 * 1024**2
    peak = of.weights_in_use(layout, "draw") + activations
    memory.note_peak(layout, "draw", None, size, activations)
    assert peak <= of.draw_bytes(layout, demand.images, demand) <= 1.15 * peak


def test_what_was_observed_bounds_other_sizes_and_never_above_the_cold_estimate_of_a_larger_one() -> None:
    memory = ModelMemory()

    def predicted(size: int, cold: int = 10**6, layout: Layout = Layout.ON_DEVICE) -> int:
        return memory.activation_bytes(layout, "draw", None, size, cold)

    assert predicted(10, cold=77) == 77
    memory.note_peak(Layout.ON_DEVICE, "draw", None, 1000, 5000)
    assert predicted(10) == 5500
    assert predicted(1000, cold=1) == 5500, "an observation outweighs a cold estimate that was too low"
    assert predicted(2000) == 11000
    assert predicted(2000, cold=8000) == 8000
    memory.note_peak(Layout.ON_DEVICE, "draw", None, 4000, 12000)
    assert predicted(2000) == 11000
    assert predicted(3900) == 13200
    assert predicted(10, cold=77, layout=Layout.MODEL_OFFLOAD) == 77


def test_where_memory_ran_out_is_not_tried_again_until_there_is_more_room_or_ten_runs_went_well() -> None:
    memory = ModelMemory()
    of = estimate(SD15, observed=memory)
    assert plan_memory(of, SQUARE_512, room(8), CARD).rung is Rung.ON_DEVICE
    memory.note_failure(Layout.ON_DEVICE, "decode", None, SQUARE_512.pixels, 8 * GIB)
    assert plan_memory(of, SQUARE_512, room(8), CARD).rung is Rung.VAE_TILING
    assert plan_memory(of, Demand(1, 256, 256, True), room(8), CARD).rung is Rung.ON_DEVICE
    assert plan_memory(of, SQUARE_512, room(9), CARD).rung is Rung.ON_DEVICE
    for _ in range(9):
        memory.note_success()
    assert plan_memory(of, SQUARE_512, room(8), CARD).rung is Rung.VAE_TILING
    memory.note_success()
    assert plan_memory(of, SQUARE_512, room(8), CARD).rung is Rung.ON_DEVICE


def steps(plan: MemoryPlan | None, phases: str, demand: Demand) -> list[tuple[str, int, int | None]]:
    found = []
    for phase in phases:
        assert plan is not None
        plan = step_down(plan, "draw" if phase == "s" else "decode", demand, CARD)
        found.append((plan.rung.value, plan.batch_size, plan.tile_side) if plan else ("none", 0, None))
    return found


def test_memory_that_runs_out_in_spite_of_the_plan_steps_down_the_ladder() -> None:
    start = MemoryPlan(Rung.ON_DEVICE, 4, None, 0)
    assert steps(start, "sssss", Demand(4, 512, 512, True)) == [
        ("smaller_batch", 2, None),
        ("smaller_batch", 1, None),
        ("model_offload", 1, None),
        ("group_offload", 1, None),
        ("sequential_offload", 1, None),
    ]
    assert steps(start, "dddd", Demand(4, 512, 512, True)) == [
        ("vae_tiling", 4, 256),
        ("vae_tiling", 4, 128),
        ("model_offload", 4, 128),
        ("group_offload", 4, 128),
    ]
    assert step_down(MemoryPlan(Rung.SEQUENTIAL_OFFLOAD, 1, None, 0), "draw", SQUARE_512, CARD) is None


def test_guidance_and_images_take_memory_in_proportion() -> None:
    of = estimate(SD15)
    weights = of.weights_in_use(Layout.ON_DEVICE, "draw")

    def activations(demand: Demand) -> int:
        return of.draw_bytes(Layout.ON_DEVICE, demand.images, demand) - weights - int(0.6 * GIB)

    single = activations(Demand(1, 512, 512, False))
    assert activations(Demand(1, 512, 512, True)) == pytest.approx(2 * single, abs=8)
    assert activations(Demand(3, 512, 512, False)) == pytest.approx(3 * single, abs=8)
    assert activations(Demand(1, 1024, 512, False)) == pytest.approx(2 * single, abs=8)


def test_a_twentieth_of_what_is_free_is_left_alone() -> None:
    needed = chosen(SD15, SQUARE_512, 80).predicted_bytes / GIB
    assert chosen(SD15, SQUARE_512, needed / 0.94).rung is Rung.ON_DEVICE
    assert chosen(SD15, SQUARE_512, needed / 0.96).rung is not Rung.ON_DEVICE


@pytest.mark.parametrize(
    ("layout", "draw", "decode"),
    [
        (Layout.ON_DEVICE, 3469, 3469),
        (Layout.MODEL_OFFLOAD, 2567, 84),  # the denoiser alone
        (Layout.GROUP_OFFLOAD, 84 + 3 * 63, 84),  # the autoencoder stays; the largest layer, thrice
        (Layout.SEQUENTIAL_OFFLOAD, 63, 84),
    ],
)
def test_the_weights_on_the_device_at_once(layout: Layout, draw: int, decode: int) -> None:
    of = estimate(SDXL)
    assert of.weights_in_use(layout, "draw") == 2 * draw * MILLION
    assert of.weights_in_use(layout, "decode") == 2 * decode * MILLION


@pytest.mark.parametrize(
    ("layout", "millions"),
    [(Layout.ON_DEVICE, 3469), (Layout.MODEL_OFFLOAD, 0), (Layout.GROUP_OFFLOAD, 84), (Layout.SEQUENTIAL_OFFLOAD, 0)],
)
def test_what_stays_on_the_device_between_two_runs(layout: Layout, millions: int) -> None:
    assert estimate(SDXL).resident_bytes(layout) == 2 * millions * MILLION


def test_what_was_observed_is_taken_with_a_tenth_more() -> None:
    memory = ModelMemory()
    memory.note_peak(Layout.ON_DEVICE, "draw", None, 2 * SQUARE_512.pixels, 1000 * MILLION)
    assert estimate(SD15, observed=memory).draw_bytes(Layout.ON_DEVICE, 1, SQUARE_512) == (2 * 1067 + 1100) * MILLION


def test_a_decode_in_tiles_holds_the_whole_picture_too() -> None:
    of, weights = estimate(SD15), estimate(SD15).weight_bytes(Layout.ON_DEVICE)
    small, large = (of.decode_bytes(Layout.ON_DEVICE, 256, Demand(1, side, side, True)) for side in (512, 1024))
    assert large - small == 3 * 3 * 2 * (1024**2 - 512**2)
    assert small > weights


@pytest.mark.parametrize("rung", [Rung.SMALLER_BATCH, Rung.MODEL_OFFLOAD])
def test_a_rung_that_decodes_in_tiles_or_splits_already_is_kept(rung: Rung) -> None:
    plan = MemoryPlan(rung, 2, None, 0)
    assert steps(plan, "d", Demand(2, 512, 512, True)) == [(rung.value, 2, 256)]
    assert steps(plan, "s", Demand(2, 512, 512, True)) == [(rung.value, 1, None)]


def test_without_guidance_a_larger_picture_would_fit() -> None:
    guided, unguided = (largest_side(estimate(SD15), room(3.2), CARD[:3], each, most=4096) for each in (True, False))
    assert guided is not None
    assert unguided is not None
    assert unguided > guided


def test_what_is_refused_only_because_memory_ran_out_before_says_so() -> None:
    memory = ModelMemory()
    memory.note_failure(Layout.SEQUENTIAL_OFFLOAD, "draw", None, 2 * SQUARE_512.pixels, 8 * GIB)
    with pytest.raises(DoesNotFit, match=r"needs \d\.\d\d GiB .* by the estimate; but memory ran out there before"):
        plan_memory(estimate(SD15, observed=memory), SQUARE_512, room(8), (Rung.SEQUENTIAL_OFFLOAD,))


def test_a_larger_picture_is_not_begun_where_a_smaller_one_ran_out() -> None:
    memory = ModelMemory()
    memory.note_failure(Layout.ON_DEVICE, "draw", None, 1000, 8 * GIB)
    assert memory.ran_out(Layout.ON_DEVICE, "draw", None, 1001, 8 * GIB)
    assert not memory.ran_out(Layout.ON_DEVICE, "draw", None, 999, 8 * GIB)


def test_a_failure_begins_the_count_of_good_runs_anew() -> None:
    memory = ModelMemory()
    for _ in range(9):
        memory.note_success()
    memory.note_failure(Layout.ON_DEVICE, "draw", None, 1000, 8 * GIB)
    memory.note_success()
    assert memory.ran_out(Layout.ON_DEVICE, "draw", None, 1000, 8 * GIB)


@pytest.mark.parametrize("first", [Rung.VAE_TILING, Rung.SMALLER_BATCH])
def test_a_rung_to_begin_with_takes_one_small_image_too(first: Rung) -> None:
    ladder = CARD[CARD.index(first) : 3]  # as on an Apple device
    assert plan_memory(estimate(SD15), Demand(1, 128, 128, True), room(80), ladder).rung is first
    with pytest.raises(DoesNotFit, match="are missing"):
        plan_memory(estimate(SD15), Demand(1, 128, 128, True), room(1), ladder)
