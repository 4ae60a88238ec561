"""The root of the client's errors, and what goes wrong before the service has said anything."""


class DarkroomError(Exception):
    """Whatever this client raises, but for wrong arguments (TypeError, ValueError)."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class CannotConnect(DarkroomError):
    """The service did not answer: no connection, a cut one, or silence. `__cause__` is httpx' error."""


class UnexpectedAnswer(DarkroomError):
    """What answered is not Darkroom, or one that this client cannot read."""
