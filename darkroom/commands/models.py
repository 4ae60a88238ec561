"""`darkroom models`: what the service offers; `pull` and `check` are of this machine."""

from typing import TYPE_CHECKING, Annotated

import typer

from darkroom.commands.connection import service
from darkroom.commands.generate import Json
from darkroom.commands.printing import print_json, print_rows
from darkroom.commands.rooms import run_in_room

if TYPE_CHECKING:
    from darkroom.client import Model

models = typer.Typer()
_COLUMNS = ("id", "state", "size", "default_size", "limits", "licence", "reason")


@models.callback(invoke_without_command=True)
def offer(ctx: typer.Context, json: Json = False) -> None:
    """List the models on offer, or mind this machine's.

    Without a command, what the service offers: the first is the default.
    """
    if ctx.invoked_subcommand is not None:
        return
    with service(ctx) as client:
        found = client.models()
    if json:
        print_json([model.model_dump(mode="json") for model in found])
    else:
        print_rows(_COLUMNS, map(_row, found))


def _row(model: "Model") -> tuple[object, ...]:
    limits, defaults = model.limits, model.defaults
    size = None if model.size_bytes is None else f"{model.size_bytes / 1e9:.2f} GB"
    most = f"{limits.width}x{limits.height}, {limits.num_inference_steps} steps, {limits.num_images_per_prompt} images"
    state = "cannot run" if model.can_run is False else model.state
    return model.id, state, size, f"{defaults.width}x{defaults.height}", most, model.licence, model.reason


@models.command()
def pull(ids: Annotated[list[str], typer.Argument(help="Ids of models.toml.")]) -> None:
    """Download hub models to this machine, so that the worker can load them without a network."""
    run_in_room("worker.models", "pull", *ids)


@models.command()
def check(ids: Annotated[list[str] | None, typer.Argument(help="Ids of models.toml; all if none.")] = None) -> None:
    """Load every model and draw with it, shortly: does it run on this machine, and on which rung?"""
    run_in_room("worker.models", "check", *(ids or []))
