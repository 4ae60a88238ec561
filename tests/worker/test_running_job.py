"""A job as the drawing sees it: what it hands on when it leaves."""

import numpy as np
import torch

from contract.errors import GenerationFailed, JobFailed
from tests.worker.drawing import parameters
from worker.batch import Drawn
from worker.execution import Execution, Interrupted
from worker.running_job import RunningJob


def test_what_a_job_left_by_does_not_hold_what_was_computed() -> None:
    told: list[Drawn | JobFailed | Interrupted] = []
    execution = Execution("0" * 32, "e", "", "", 60.0, "too late")
    job = RunningJob(parameters(), execution, told.append, lambda: None, lambda: None, exclusive=False)

    def fail() -> None:
        computed = torch.ones(1)
        try:
            raise RuntimeError(computed)
        except RuntimeError:
            raise GenerationFailed("odd") from None

    try:
        fail()
    except GenerationFailed as reason:
        job.left(reason)
    (left,) = told
    assert isinstance(left, GenerationFailed)
    assert str(left) == "odd"
    assert left.__traceback__ is left.__context__ is None


def test_previews_that_wait_after_the_last_step_do_not_wait_for_the_next_beat() -> None:
    hurried: list[int] = []
    execution = Execution("0" * 32, "e", "", "", 60.0, "too late")
    job = RunningJob(
        parameters(), execution, lambda _: None, lambda: None, lambda: hurried.append(execution.step), exclusive=False
    )
    for execution.preview_wanted in (False, True):
        for step in (1, 2, 3):
            job.step_done(step, 3, lambda: np.zeros((8, 8, 3), np.uint8))
    assert hurried == [3]
