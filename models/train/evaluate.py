"""Measures `models/pocket` and writes what it found into its card: `make model-card`.

Draws held prompts with fresh seeds, 20 steps and the default guidance, has the judge look at them, and writes the
card's tables and sheets. Knows what is measured on what; trains nothing.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline

from models.train.art import LABELS
from models.train.behaviour import (
    measure_long_prompt,
    measure_negative_prompts,
    measure_settings,
    measure_speed,
    psnr,
    reconstruct,
    share,
    size_bytes,
)
from models.train.card import write_card
from models.train.compose import RUN_FOLDER
from models.train.drawing import background_colour, draw
from models.train.findings import Findings
from models.train.held_prompts import Prompt, in_scenes, of_pairs, on_colours
from models.train.judge import Verdict, held_renders, judge, load_judge, score
from models.train.scenes import COLOURS
from models.train.sheets import save_sheet
from models.train.styles import STYLES

POCKET = RUN_FOLDER.parents[1] / "pocket"


def measure_prompts(prompts: Sequence[Prompt], verdicts: Sequence[Verdict], pictures: np.ndarray) -> dict[str, Any]:
    """The shares that are right, whole and by what was asked for, and what was seen instead.

    Backgrounds are told by the border pixels where they are colours, by the judge where they are scenes.
    """
    flat = prompts[0].content.background in COLOURS
    pairs = list(zip(prompts, verdicts, strict=True))
    asked = {
        "object": [_named(prompt.content.objects) for prompt in prompts],
        "background": [prompt.content.background for prompt in prompts],
        "style": [prompt.content.style for prompt in prompts],
    }
    seen = {
        "object": [_named(verdict.likeliest(prompt.content)) for prompt, verdict in pairs],
        "background": [background_colour(one) for one in pictures] if flat else [one.background for one in verdicts],
        "style": [one.style for one in verdicts],
    }
    right = {part: [a == b for a, b in zip(asked[part], seen[part], strict=True)] for part in asked}
    return {
        "prompts": len(prompts),
        "right": {part: share(flags) for part, flags in right.items()},
        "object_by_name": _shares([prompt.name for prompt in prompts], right["object"]),
        "object_by_phrasing": _shares([prompt.phrasing for prompt in prompts], right["object"]),
        "object_by_style": _shares(asked["style"], right["object"]),
        "confused": {
            part: Counter(f"{a} → {b}" for a, b in zip(asked[part], seen[part], strict=True) if a != b).most_common(8)
            for part in asked
        },
    }


def _named(objects: Iterable[str]) -> str:
    return " + ".join(sorted(set(objects)))


def _shares(groups: Sequence[str], flags: Sequence[bool]) -> dict[str, float]:
    return {
        group: share([flag for flag, one in zip(flags, groups, strict=True) if one == group])
        for group in dict.fromkeys(groups)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=RUN_FOLDER, help="holds the judge and the npm archives")
    parser.add_argument("--model", type=Path, default=POCKET)
    parser.add_argument("--every", type=int, default=1, help="measure on every nth prompt, and leave the card alone")
    args = parser.parse_args()

    def load() -> Any:
        # Left to themselves, transformers keeps the precision of the file and diffusers does not.
        pipeline = StableDiffusionPipeline.from_pretrained(args.model, dtype=torch.float32)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    pipeline, looks = load(), load_judge(args.folder)
    renders, contents = held_renders(args.folder, 2000 // args.every)
    again = reconstruct(pipeline, renders[:500])

    def prompts_right(prompts: Sequence[Prompt]) -> dict[str, Any]:
        pictures = draw(pipeline, [prompt.text for prompt in prompts])
        return measure_prompts(prompts, judge(looks, pictures), pictures)

    def reconstruction() -> dict[str, Any]:
        ratios = psnr(renders[:500], again)
        by_style = _means([content.style for content in contents[:500]], ratios)
        return {"psnr": round(float(ratios.mean()), 2), "by_style": by_style}

    weights = args.model.rglob("*.safetensors")
    found = Findings(args.folder / f"measured-{args.every}.json", [*weights, args.folder / "judge.pt"])
    found.measure("judge", lambda: score(judge(looks, renders), contents))
    found.measure("reconstruction", reconstruction)
    found.measure("colours", lambda: prompts_right(on_colours()[:: args.every]))
    found.measure("scenes", lambda: prompts_right(in_scenes()[:: args.every]))
    found.measure("pairs", lambda: prompts_right(of_pairs()[:: args.every]))
    found.measure("long_prompt", lambda: measure_long_prompt(pipeline, looks, 100 // args.every))
    found.measure("settings", lambda: measure_settings(pipeline, looks, 7 * args.every))
    found.measure("negative_prompts", lambda: measure_negative_prompts(pipeline, looks, 60 // args.every))
    found.measure("speed", lambda: measure_speed(load) | {"safetensors_bytes": size_bytes(args.model)})
    if args.every == 1:
        write_card(args.model, found)
        save_sheet(args.model / "reconstruction.jpg", [renders[:10], again[:10], renders[10:20], again[10:20]])
        _contact_sheet(pipeline, args.model / "samples.jpg")


def _means(groups: Sequence[str], values: np.ndarray) -> dict[str, float]:
    return {group: round(float(values[np.array(groups) == group].mean()), 2) for group in dict.fromkeys(groups)}


def _contact_sheet(pipeline: Any, path: Path) -> None:
    """One picture of every object; colours and styles take turns."""
    count = len(COLOURS)
    # An object's and a colour's number together choose the style: in step, they would leave out every second one.
    prompts = [on_colours()[index * count + (index + index // len(STYLES)) % count] for index in range(len(LABELS))]
    pictures = draw(pipeline, [prompt.text for prompt in prompts])
    names = [prompt.content.objects[0] for prompt in prompts]
    starts = range(0, len(prompts), 10)
    save_sheet(path, [pictures[s : s + 10] for s in starts], [names[s : s + 10] for s in starts])


if __name__ == "__main__":
    main()
