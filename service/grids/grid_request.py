"""What a client posts to have a grid, and the request of every cell, or place by place why there is none.

Knows JSON pointers into the body; knows nothing of Redis.
"""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract.errors import ParametersRefused, Refusal
from contract.grid import MAX_CELLS, Axis, GridShape
from contract.parameters import JobRequest, Prompt
from service.errors import PromptRefused, ValidationFailed
from service.jobs.completion import Completed
from service.refusals import refusals_of

Complete = Callable[[JobRequest], Completed]


class SharedParameters(JobRequest):
    """What a client posts to /generate; the prompt may be left out where it is on an axis."""

    prompt: Annotated[Prompt | None, Field(description="what to draw")] = None  # type: ignore[assignment]


class GridRequest(BaseModel):
    """A job for each value of x, or for each pair of values of x and y; all else is the same in every cell."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    parameters: SharedParameters
    x: Annotated[Axis, Field(description="from left to right")]
    y: Annotated[Axis | None, Field(description="from top to bottom; one row if absent")] = None


class GridPlan:
    """The cells of a request, row by row. Raises ValidationFailed where its axes make no grid."""

    def __init__(self, asked: GridRequest) -> None:
        self._asked = asked
        self._axes = {"x": asked.x} | ({"y": asked.y} if asked.y else {})
        refusals = [*self._axes_refused(), *self._values_repeated()]
        if refusals:
            raise ValidationFailed(refusals)

    def shape(self, cells: list[Completed]) -> GridShape:
        """What the grid keeps beside its jobs."""
        return GridShape(
            x=self._asked.x,
            y=self._asked.y,
            cell_width=max(cell.parameters.width for cell in cells),
            cell_height=max(cell.parameters.height for cell in cells),
        )

    def complete(self, complete: Complete) -> list[Completed]:
        """Of every cell. Raises ValidationFailed with every place that cannot be taken, whatever cells it is in.

        Raises PromptRefused where nothing else is wrong.
        """
        completed: list[Completed] = []
        refused: dict[str, Refusal] = {}
        against_policy: dict[str, Refusal] = {}
        for place in self._places():
            try:
                completed.append(complete(self._request(place)))
            except ValidationError as error:
                told, into = refusals_of(error), refused
            except PromptRefused as error:
                told, into = error.refusals, against_policy
            except (ParametersRefused, ValidationFailed) as error:
                told, into = error.refusals, refused
            else:
                continue
            for refusal in told:
                located = self._locate(refusal, place)
                into.setdefault(located.pointer, located)
        if refused:
            raise ValidationFailed(list(refused.values()))
        if against_policy:
            raise PromptRefused(list(against_policy.values()))
        return completed

    def _places(self) -> list[dict[str, int]]:
        """Of each cell: the index of its value on each axis."""
        columns = range(len(self._asked.x.values))
        if self._asked.y is None:
            return [{"x": x} for x in columns]
        return [{"x": x, "y": y} for y in range(len(self._asked.y.values)) for x in columns]

    def _request(self, place: dict[str, int]) -> JobRequest:
        shared = self._asked.parameters
        fields: dict[str, Any] = {name: getattr(shared, name) for name in shared.model_fields_set}
        fields |= {axis.parameter: axis.values[place[name]] for name, axis in self._axes.items()}
        return JobRequest.model_validate(fields)

    def _locate(self, refusal: Refusal, place: dict[str, int]) -> Refusal:
        """From a pointer into a cell's request to one into the grid's."""
        for name, axis in self._axes.items():
            if refusal.pointer == f"/{axis.parameter}":
                return refusal._replace(pointer=f"/{name}/values/{place[name]}")
        return refusal._replace(pointer=f"/parameters{refusal.pointer}")

    def _axes_refused(self) -> list[Refusal]:
        refusals = []
        for axis in self._axes.values():
            if axis.parameter in self._asked.parameters.model_fields_set:
                refusals.append(Refusal(f"/parameters/{axis.parameter}", "is on an axis: leave it out here"))
        if self._asked.y and self._asked.y.parameter == self._asked.x.parameter:
            refusals.append(Refusal("/y/parameter", "must be another one than that of x"))
        cells = len(self._places())
        if cells > MAX_CELLS:
            refusals.append(Refusal("/y/values", f"times those of x make {cells} cells, must be at most {MAX_CELLS}"))
        return refusals

    def _values_repeated(self) -> list[Refusal]:
        return [
            Refusal(f"/{name}/values/{index}", "must not be there twice")
            for name, axis in self._axes.items()
            for index, value in enumerate(axis.values)
            if any(_same(value, other) for other in axis.values[:index])
        ]


def _same(one: Any, other: Any) -> bool:
    # To Python true is 1.
    return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)
