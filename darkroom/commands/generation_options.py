"""Every parameter of a generation request as an option, for each command that makes jobs.

Limits are the service's: what it refuses is told in the words of these options.
"""

import inspect
import re
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from darkroom.commands import completion
from darkroom.commands.destinations import OutputFormat


def _option(*names: str, help: str, **more: Any) -> Any:  # noqa: A002
    return typer.Option(*names, help=help, show_default=False, **more)


def generation_options(
    *,
    negative_prompt: Annotated[str | None, _option(help="What should not be on it.")] = None,
    model: Annotated[
        str | None, _option("--model", "-m", help="An id of `darkroom models`.", autocompletion=completion.model_ids)
    ] = None,
    size: Annotated[str | None, _option(help="WIDTHxHEIGHT in pixels, as in 512x512.", metavar="WxH")] = None,
    width: Annotated[int | None, _option("--width", "-W", help="Pixels.")] = None,
    height: Annotated[int | None, _option("--height", "-H", help="Pixels.")] = None,
    num_inference_steps: Annotated[
        int | None, _option("--num-inference-steps", "--steps", help="More take longer.")
    ] = None,
    guidance_scale: Annotated[
        float | None, _option("--guidance-scale", "-g", help="How much the prompt counts.")
    ] = None,
    num_images_per_prompt: Annotated[
        int | None, _option("--num-images-per-prompt", "--num-images", "-n", help="How many; 1 if not given.")
    ] = None,
    seed: Annotated[
        int | None, _option("--seed", "-s", help="The same picture again; image i has SEED + i. Drawn if not given.")
    ] = None,
    scheduler: Annotated[
        str | None, _option(help="By its name or class name.", autocompletion=completion.scheduler_names)
    ] = None,
    style: Annotated[
        str | None, _option(help="Words around the prompt, by their name.", autocompletion=completion.style_names)
    ] = None,
    prompt_weighting: Annotated[bool, _option("--prompt-weighting", help="(Brackets:1.3) weigh words.")] = False,
    clip_skip: Annotated[int | None, _option(help="Last layers of the text encoder left out.")] = None,
    output_format: Annotated[
        OutputFormat | None, _option("--output-format", "-f", help="If not given, what -o ends in; or png.")
    ] = None,
    embed_parameters: Annotated[
        bool | None, _option(help="Whether files hold the prompt and all else that draws them again.")
    ] = None,
    label: Annotated[
        list[str] | None,
        _option("--label", "-l", help="A name and a value of yours; repeat it for more.", metavar="K=V"),
    ] = None,
    deadline_seconds: Annotated[int | None, _option(help="From now on, in line too; then the job fails.")] = None,
    exclusive: Annotated[bool, _option("--exclusive", help="Drawn alone: the same bytes each time. Slower.")] = False,
    webhook_url: Annotated[str | None, _option(help="Is told when the job has ended.")] = None,
    webhook_event: Annotated[
        list[str] | None, _option(help="What it is told; repeat it for more.", metavar="EVENT")
    ] = None,
) -> dict[str, Any]:
    """What was given, in the API's words. Raises BadParameter for what says two things or none."""
    given: dict[str, Any] = {
        "negative_prompt": negative_prompt,
        "model": model,
        "num_inference_steps": num_inference_steps,
        "guidance_scale": guidance_scale,
        "num_images_per_prompt": num_images_per_prompt,
        "seed": seed,
        "scheduler": scheduler,
        "style": style,
        "prompt_weighting": prompt_weighting or None,
        "clip_skip": clip_skip,
        "output_format": output_format,
        "embed_parameters": embed_parameters,
        "labels": labels_of(label) or None,
        "deadline_seconds": deadline_seconds,
        "exclusive": exclusive or None,
        "webhook": _webhook(webhook_url, webhook_event),
        **_size(size, width, height),
    }
    return {name: value for name, value in given.items() if value is not None}


def with_generation_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command has these options beside its own, and gets what was given as its last argument, `options`."""
    shared = inspect.signature(generation_options).parameters
    own = [each for each in inspect.signature(command).parameters.values() if each.name != "options"]

    @wraps(command)
    def with_options(**arguments: Any) -> None:
        given = {name: arguments.pop(name) for name in shared}
        command(**arguments, options=generation_options(**given))

    keyword_only = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
    # Where typer looks, for the names and for their types.
    with_options.__signature__ = inspect.Signature([*keyword_only, *shared.values()])  # type: ignore[attr-defined]
    with_options.__annotations__ = {each.name: each.annotation for each in (*own, *shared.values())}
    return with_options


def labels_of(pairs: list[str] | None) -> dict[str, str]:
    """Of `name=value`. Raises BadParameter."""
    labels = {}
    for pair in pairs or []:
        name, equals, value = pair.partition("=")
        if not equals:
            raise typer.BadParameter("a label is NAME=VALUE.", param_hint="--label")
        labels[name] = value
    return labels


def _size(size: str | None, width: int | None, height: int | None) -> dict[str, int | None]:
    if size is None:
        return {"width": width, "height": height}
    if width is not None or height is not None:
        raise typer.BadParameter("it stands for --width and --height: give one or the others.", param_hint="--size")
    if not (found := re.fullmatch(r"(\d+)[xX](\d+)", size, re.ASCII)):
        raise typer.BadParameter("a size is WIDTHxHEIGHT, as in 512x512.", param_hint="--size")
    return {"width": int(found[1]), "height": int(found[2])}


def _webhook(url: str | None, events: list[str] | None) -> dict[str, Any] | None:
    if url is None:
        if events:
            raise typer.BadParameter("it needs a --webhook-url.", param_hint="--webhook-event")
        return None
    return {"url": url} | ({"events": events} if events else {})
