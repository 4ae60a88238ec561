"""The script that bash gets from `darkroom --show-completion`, run by bash."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from darkroom.command import app
from darkroom.commands import completion
from tests.darkroom.commands.conftest import Command
from tests.service.conftest import Service

ASK = """
eval "$(darkroom --show-completion bash)"
complete -p darkroom
while read -r line; do
    eval "COMP_WORDS=($line)"
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
    for pressed in 1 2 3 4 5; do
        [ ${#COMPREPLY[@]} -gt 0 ] || _darkroom_completion darkroom
    done
    printf '<%s>' "${COMPREPLY[@]}"; echo
done
"""
"""Tab is pressed again where the service took more than its second."""


def test_bash_offers_what_the_service_has(command: Command, service: Service) -> None:
    """For words of which the last is under way."""
    job_id = service.submit(prompt="a fox")["id"]
    lines = (
        ["darkroom", "generate", "fox", "--style", "analog"],
        ["darkroom", "job", job_id[:20]],
    )
    environment = command.environment({})
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    asked = subprocess.run(
        ["bash", "--norc", "-c", ASK],
        cwd=command.folder,
        env=environment,
        input="\n".join(map(shlex.join, lines)) + "\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    registered, styles, jobs = asked.stdout.splitlines()
    assert registered == "complete -o default -F _darkroom_completion darkroom"
    assert styles == "<analog\\ film>"
    assert f"<{job_id}>" in jobs
    assert asked.stderr == ""


def test_other_names_are_the_services_too(
    command: Command, service: Service, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "ANSWER_SECONDS", 10.0)
    live = service.submit(prompt="steps 100")["id"]
    with typer.Context(typer.main.get_command(app)) as ctx:
        ctx.params["url"] = command.url
        assert completion.model_ids(ctx, "p") == ["pocket"]
        assert "Euler a" in completion.scheduler_names(ctx, "Eul")
        assert completion.live_job_ids(ctx, live) == [live]
        service.http.post(f"/jobs/{live}/cancel")
        service.http.get(f"/jobs/{live}", params={"wait": 30})
        assert completion.live_job_ids(ctx, live) == []
        for ctx.params["url"] in ("nowhere", "http://127.0.0.1:1"):
            assert completion.model_ids(ctx, "p") == []
    assert "Traceback" not in capfd.readouterr().err
