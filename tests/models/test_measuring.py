"""How the bundled model is measured, and how that gets into its card."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from models.train.behaviour import GUIDANCE_SCALES, SIZES, STEP_COUNTS, burnt, psnr, share, sharpness
from models.train.card import write_card
from models.train.compose import Content
from models.train.drawing import background_colour
from models.train.evaluate import measure_prompts
from models.train.findings import Findings
from models.train.held_prompts import Prompt
from models.train.judge import OBJECTS, Judge, Verdict, judge, score
from models.train.scenes import COLOURS
from models.train.sheets import GAP, TEXT, save_sheet


def flat(colour: tuple[int, int, int], size: int = 32) -> np.ndarray:
    return np.full((size, size, 3), colour, np.uint8)


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def verdict(*objects: str, background: str = "red", style: str = "photo") -> Verdict:
    return Verdict(tuple((name, 0.9) for name in objects), background, style)


def prompt(*objects: str, background: str = "red", style: str = "photo", name: str = "usual") -> Prompt:
    return Prompt("", Content(objects, background, style), name, "caption")


@pytest.mark.parametrize("name", COLOURS)
def test_a_colour_is_told_by_the_border_alone(name: str) -> None:
    pixels = flat(COLOURS[name])
    pixels[6:-6, 6:-6] = (0, 255, 0)
    assert background_colour(pixels) == name
    assert background_colour((pixels * 0.93).astype(np.uint8)) == name


def test_one_object_is_seen_where_it_is_the_likeliest_and_two_where_they_are_the_likeliest_two() -> None:
    seen = verdict("cat", "pizza", "dog", "owl")
    one, other, both, wrong = (
        Content(names, "red", "photo") for names in (("cat",), ("pizza",), ("pizza", "cat"), ("cat", "dog"))
    )
    assert [seen.sees(content) for content in (one, other, both, wrong)] == [True, False, True, False]
    assert seen.sees(Content(("cat", "cat"), "red", "photo"))


def test_what_is_right_is_counted_and_what_is_taken_for_what() -> None:
    prompts = [
        prompt("cat"),
        prompt("cat", name="synonym"),
        prompt("owl", background="blue"),
        prompt("owl", style="comic book"),
    ]
    verdicts = [verdict("cat"), verdict("dog"), verdict("owl"), verdict("owl")]
    pictures = np.stack([flat(COLOURS["red"])] * 4)
    found = measure_prompts(prompts, verdicts, pictures)
    assert found["right"] == {"object": 0.75, "background": 0.75, "style": 0.75}
    assert found["object_by_name"] == {"usual": 1.0, "synonym": 0.0}
    assert found["object_by_style"] == {"photo": 0.6667, "comic book": 1.0}
    assert found["confused"] == {
        "object": [("cat → dog", 1)],
        "background": [("blue → red", 1)],
        "style": [("comic book → photo", 1)],
    }


def test_scenes_are_told_by_the_judge() -> None:
    prompts = [prompt("cat", background="beach"), prompt("cat", background="dusk")]
    verdicts = [verdict("cat", background="beach"), verdict("cat", background="beach")]
    found = measure_prompts(prompts, verdicts, np.stack([flat((9, 9, 9))] * 2))
    assert found["right"]["background"] == 0.5


def test_figures_of_pictures() -> None:
    plain = flat((0, 128, 255))[None]
    stripes = plain.copy()
    stripes[:, ::2] = 100
    assert (sharpness(plain), burnt(plain)) == (0.0, 0.6667)
    assert sharpness(stripes) > 20
    assert burnt(stripes) == pytest.approx(1 / 3, abs=1e-3)
    assert psnr(plain, plain + np.uint8(0)).tolist()[0] > 100
    assert psnr(flat((100, 100, 100))[None], flat((110, 110, 110))[None])[0] == pytest.approx(28.13, abs=0.01)
    assert share([True, True, False]) == 0.6667


def test_the_judge_takes_pictures_of_any_size_and_says_something_of_each() -> None:
    torch.manual_seed(0)
    model = Judge().eval()
    verdicts = judge(model, np.zeros((3, 64, 96, 3), np.uint8))
    assert len(verdicts) == 3
    assert {name for name, _ in verdicts[0].objects} <= set(OBJECTS)
    chances = [chance for _, chance in verdicts[0].objects]
    assert chances == sorted(chances, reverse=True)
    right = score(verdicts, [Content(tuple(verdicts[0].likeliest(Content(("cat",), "", ""))), "nowhere", "none")] * 3)
    assert right == {"objects": 1.0, "background": 0.0, "style": 0.0}


def test_a_sheet_has_room_for_words_above_its_pictures(tmp_path: Path) -> None:
    rows = [np.stack([flat((10, 20, 30))] * 3)] * 2
    save_sheet(tmp_path / "plain.png", rows)
    save_sheet(tmp_path / "named.png", rows, [["a", "b", "c"]] * 2)
    assert size_of(tmp_path / "plain.png") == (3 * 32 + 2 * GAP, 2 * 32 + GAP)
    assert size_of(tmp_path / "named.png") == (3 * 32 + 2 * GAP, 2 * (32 + TEXT + GAP) + GAP)


def measured() -> dict[str, Any]:
    figures = {"object": 0.9, "background": 0.8, "style": 0.7, "sharpness": 3.5, "burnt": 0.01}
    part = measure_prompts([prompt("cat")], [verdict("dog")], flat(COLOURS["red"])[None])
    return {
        "judge": {"objects": 0.991, "background": 1.0, "style": 0.999},
        "colours": part,
        "scenes": part,
        "pairs": part,
        "reconstruction": {"psnr": 31.3, "by_style": {"photo": 31.1}},
        "long_prompt": 0.98,
        "settings": {
            "prompts": 120,
            "steps": {str(steps): figures for steps in STEP_COUNTS},
            "guidance": {str(scale): figures for scale in GUIDANCE_SCALES},
            "sizes": {f"{width}x{height}": figures for width, height in SIZES},
        },
        "negative_prompts": {
            "a hippo; blue background": {"before": 0.1, "after": 0.0, "object": 1.0},
            "a hippo; red background": {"before": 0.3, "after": 0.1, "object": 0.9},
        },
        "speed": {"threads": 2, "load_seconds": 0.4, "seconds_an_image": 0.31, "safetensors_bytes": 19_900_000},
    }


def test_the_card_says_what_was_taught_and_what_was_measured(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("of the model before")
    write_card(tmp_path, json.loads(json.dumps(measured())))
    text = (tmp_path / "README.md").read_text()
    for part in (
        "# pocket",
        "50 objects",
        "umbrella, crown, robot",
        "- **colours**: red",
        "neon street",
        "| two objects on a colour | 1 | 0.0 %",
        "cat → dog 1",
        "| 256x256 | 90.0 %",
        "| on average | 20.0 % | 5.0 % | 95.0 % |",
        "99.1 %",
        "31.3 dB",
        "19.9 MB",
    ):
        assert part in text, part
    assert "the model before" not in text
    assert "$" not in text


def test_what_was_measured_is_not_measured_again_unless_a_file_changed(tmp_path: Path) -> None:
    path, weights = tmp_path / "measured.json", tmp_path / "weights"
    weights.write_bytes(b"first")
    Findings(path, [weights]).measure("speed", lambda: {"seconds": 1.5})
    kept = Findings(path, [weights])
    kept.measure("speed", lambda: pytest.fail("measured again"))
    assert kept == {"speed": {"seconds": 1.5}}
    weights.write_bytes(b"second")
    assert Findings(path, [weights]) == {}
