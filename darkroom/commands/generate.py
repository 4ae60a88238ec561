"""`darkroom generate`: a prompt in, files out."""

import sys
from functools import partial
from typing import Annotated, Any
from uuid import uuid4

import typer

from darkroom.commands.connection import made, service
from darkroom.commands.delivery import deliver
from darkroom.commands.destinations import Destination
from darkroom.commands.generation_options import with_generation_options
from darkroom.commands.printing import print_json
from darkroom.commands.terminal_picture import terminal_picture
from darkroom.commands.waiting import canceled_by_interrupt, wait_watched

Prompt = Annotated[str, typer.Argument(metavar="PROMPT", help="What to draw; - reads it from standard input.")]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        help="A file, written over; with several pictures fox.png is fox-0.png, fox-1.png, …; a name with {index} or "
        "{seed}; a folder; - for standard output. If not given, files named by the job's id in this folder.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Write over files that -o does not name exactly, too.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]
Preview = Annotated[
    bool,
    typer.Option("--preview", help="Show the picture in the terminal, as it comes out of the noise and at the end."),
]


@with_generation_options
def generate(
    ctx: typer.Context,
    prompt: Prompt,
    output: Output = None,
    force: Force = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Print the job's id at once, or stay.")] = True,
    preview: Preview = False,
    json: Json = False,
    *,
    options: dict[str, Any],
) -> None:
    """Draw a prompt and save the pictures.

    Prints where they are. Ctrl-C cancels the job; once more leaves at once.
    """
    destination = Destination(output, force)
    if output_format := destination.agreed_format(options.get("output_format")):
        options["output_format"] = output_format
    if wait:
        destination.check(options.get("num_images_per_prompt", 1), as_json=json)
    picture = terminal_picture() if preview and wait else None
    with service(ctx) as client:
        submit = partial(client.submit, words_of(prompt), idempotency_key=uuid4().hex, **options)
        with canceled_by_interrupt(lambda: client.cancel(submit())):
            job = submit()
            with made(job.id):
                ended = wait_watched(client, job, picture=picture) if wait else job
        if not wait:
            print_json(job.model_dump(mode="json")) if json else typer.echo(job.id)
            return
        with made(job.id):
            deliver(client, ended, destination, as_json=json, picture=picture)


def words_of(prompt: str) -> str:
    """The prompt, or what standard input says where it is `-`; without the last line's end."""
    return sys.stdin.read().removesuffix("\n") if prompt == "-" else prompt
