"""`darkroom grid`: pictures that differ in a parameter or two, on one sheet."""

import json as json_text
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from darkroom.commands.connection import service
from darkroom.commands.destinations import Destination, Picture
from darkroom.commands.exit_codes import ExitCode, leave
from darkroom.commands.generate import Force, Json, Prompt, words_of
from darkroom.commands.generation_options import with_generation_options
from darkroom.commands.printing import print_json, tell
from darkroom.commands.waiting import canceled_by_interrupt, grid_watched

if TYPE_CHECKING:
    from darkroom.client.records import Axis

_TEXTS = ("prompt", "negative_prompt", "model", "scheduler", "style")
_SHORT = {"steps": "num_inference_steps"}

AxisText = typer.Option(
    metavar="PARAMETER=VALUES",
    help='A parameter and its values, with commas, as in steps=1,5,20; or as a JSON list: \'prompt=["a, b", "c"]\'.',
)


@with_generation_options
def grid(
    ctx: typer.Context,
    prompt: Prompt,
    x: Annotated[str, AxisText],
    y: Annotated[str | None, AxisText] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="The sheet: a .png, .jpeg or .webp file, written over; a folder; - for standard output. If not given, "
            "a file named by the grid's id in this folder.",
        ),
    ] = None,
    force: Force = False,
    json: Json = False,
    *,
    options: dict[str, Any],
) -> None:
    """Draw a sheet of pictures that differ.

    One for each value of --x, or for each pair of values with --y. Prints where the sheet is. Each cell is a job of its
    own, and can be looked at, fetched and canceled as such. Ctrl-C cancels all that have not ended; once more leaves
    at once.
    """
    destination = Destination(output, force)
    destination.check(1, as_json=json)
    sheet_format = destination.output_format or "png"
    axes = axis_of("--x", x), axis_of("--y", y) if y is not None else None
    words = {} if "prompt" in (axis.parameter for axis in axes if axis) else {"prompt": words_of(prompt)}
    with service(ctx) as client:
        submit = partial(client.grid, words | options, x=axes[0], y=axes[1], idempotency_key=uuid4().hex)
        with canceled_by_interrupt(lambda: client.cancel_grid(submit())):
            found = grid_watched(client, submit())
        sheet = client.grid_sheet(found, output_format=sheet_format)
    file = destination.save(sheet, Picture(found.id, sheet_format))
    if json:
        print_json(found.model_dump(mode="json") | {"files": [file]})
    elif not destination.to_stdout:
        typer.echo(file)
    if without := len(found.cells) - found.counts.succeeded:
        tell(f"{without} of {len(found.cells)} cells have no picture; the sheet says why")
        raise leave(ExitCode.FAILED)


def axis_of(option: str, text: str) -> "Axis":
    """Of `parameter=1,5,20` or `parameter=[1, 5, 20]`. Raises BadParameter."""
    from darkroom.client.records import Axis

    name, equals, values = text.partition("=")
    if not equals:
        raise typer.BadParameter("an axis is PARAMETER=VALUES, as in steps=1,5,20.", param_hint=option)
    parameter = _SHORT.get(name, name.replace("-", "_"))
    try:
        return Axis(parameter=parameter, values=_values(parameter, values))
    except ValueError:
        raise typer.BadParameter(f"these are no values of {parameter}.", param_hint=option) from None


def _values(parameter: str, text: str) -> list[Any]:
    """Raises ValueError."""
    if text.startswith("["):
        return list(json_text.loads(text))
    values = text.split(",")
    return values if parameter in _TEXTS else [json_text.loads(value) for value in values]
