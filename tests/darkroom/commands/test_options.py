"""What is said on the command line, before any service is asked."""

from pathlib import Path

import pytest
import typer

from darkroom.commands.destinations import Destination, Picture
from darkroom.commands.generation_options import generation_options
from darkroom.commands.grid import axis_of


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("output", "one", "second_of_two"),
    [
        (None, "id.png", "id-1.png"),
        ("fox.png", "fox.png", "fox-1.png"),
        ("a.fox", "a.fox", "a-1.fox"),
        ("out/fox", "out/fox", "out/fox-1"),
        ("{seed}.png", "8.png", "8.png"),
        ("out/fox-{index}-{seed}.png", "out/fox-1-8.png", "out/fox-1-8.png"),
        ("out", "out/id.png", "out/id-1.png"),
        ("new/", "new/id.png", "new/id-1.png"),
    ],
)
def test_files_are_named_by_what_o_says(output: str | None, one: str, second_of_two: str) -> None:
    for count, name in ((1, one), (2, second_of_two)):
        assert Destination(output, force=True).save(b"picture", Picture("id", "png", count, 1, 8)) == name
        assert Path(name).read_bytes() == b"picture"


@pytest.mark.parametrize("output", [None, "out", "{seed}.png", "fox.png"])
def test_only_a_name_that_was_typed_is_written_over(
    output: str | None, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = Picture("id", "png")
    path = folder / Destination(output).save(b"first", picture)
    if output == "fox.png":
        Destination(output).save(b"second", picture)
        assert path.read_bytes() == b"second"
        return
    with pytest.raises(typer.Exit) as left:
        Destination(output).save(b"second", picture)
    assert (left.value.exit_code, path.read_bytes()) == (1, b"first")
    assert "is there already; --force writes over it" in capsys.readouterr().err
    Destination(output, force=True).save(b"third", picture)
    assert path.read_bytes() == b"third"


def test_a_file_that_cannot_be_written_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("")
    with pytest.raises(typer.Exit) as left:
        Destination("file/").save(b"", Picture("id", "png"))
    assert left.value.exit_code == 1
    assert capsys.readouterr().err.startswith("darkroom: file/id.png cannot be written: ")


def test_formats_follow_from_suffixes_and_must_agree() -> None:
    assert [Destination(name).output_format for name in ("a.jpg", "a.JPEG", "a", "out", "-", None)] == [
        *("jpeg", "jpeg"),
        *(None,) * 4,
    ]
    assert Destination("a.png").agreed_format("png") == "png"
    assert Destination(None).agreed_format("webp") == "webp"
    for output, asked in (("a.gif", None), ("a.png", "jpeg")):
        with pytest.raises(typer.BadParameter):
            Destination(output).agreed_format(asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("output", "count", "as_json"), [("-", 2, False), ("-", 1, True), ("none/fox.png", 1, False), ("fox.png", 2, False)]
)
def test_what_cannot_be_saved_is_refused_before_it_is_drawn(output: str, count: int, as_json: bool) -> None:
    Path("fox-1.png").write_text("")
    with pytest.raises(typer.BadParameter):
        Destination(output).check(count, as_json=as_json)


def test_every_parameter_of_a_request_has_an_option() -> None:
    from darkroom.client import GenerationOptions

    given = generation_options(
        negative_prompt="rain",
        model="pocket",
        size="512x256",
        num_inference_steps=1,
        guidance_scale=0.0,
        num_images_per_prompt=2,
        seed=0,
        scheduler="DDIM",
        style="photo",
        prompt_weighting=True,
        clip_skip=0,
        output_format="webp",
        embed_parameters=False,
        label=["a=b=c"],
        deadline_seconds=1,
        exclusive=True,
        webhook_url="https://hooks.example",
        webhook_event=["job.failed"],
    )
    assert set(given) == set(GenerationOptions.__annotations__)
    assert (given["width"], given["height"], given["labels"]) == (512, 256, {"a": "b=c"})
    assert given["webhook"] == {"url": "https://hooks.example", "events": ["job.failed"]}
    assert generation_options() == {}


@pytest.mark.parametrize(
    "wrong",
    [{"size": "512"}, {"size": "64x64", "width": 64}, {"label": ["a"]}, {"webhook_event": ["job.failed"]}],
)
def test_options_that_say_two_things_or_none_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(typer.BadParameter):
        generation_options(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "parameter", "values"),
    [
        ("steps=1,5,20", "num_inference_steps", [1, 5, 20]),
        ("guidance-scale=1,7.5", "guidance_scale", [1, 7.5]),
        ("prompt_weighting=true,false", "prompt_weighting", [True, False]),
        ("scheduler=Euler a,DDIM", "scheduler", ["Euler a", "DDIM"]),
        ('prompt=["a, b", null]', "prompt", ["a, b", None]),
    ],
)
def test_an_axis_is_read(text: str, parameter: str, values: list[object]) -> None:
    axis = axis_of("--x", text)
    assert (axis.parameter, axis.values) == (parameter, values)


@pytest.mark.parametrize("text", ["steps", "steps=", "steps=1,a", "prompt=[1", "prompt=[[1]]"])
def test_what_is_no_axis_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        axis_of("--x", text)
