"""The prompt policy: refuses a prompt that holds a term of the operator's file, and follows the file.

Knows the file, the refusal and brackets; knows nothing of how a text is searched, or of jobs. Neither shows nor logs
the term or the prompt.
"""

from pathlib import Path

from contract.errors import Refusal, SettingsError
from contract.prompt_weights import pieces_of
from service.errors import PromptRefused
from service.followed_file import FollowedFile
from service.policy.terms import Terms, parse_term


class PromptPolicy:
    """The terms of one file. A file that breaks or vanishes later leaves the former terms in force."""

    def __init__(self, path: Path) -> None:
        """Raises SettingsError where the file cannot be used."""
        self._file = FollowedFile(path, read_terms, "terms of the prompt policy")

    def check(self, prompt: str, *, weighs: bool = False) -> None:
        """`weighs` where brackets weigh words, and are not read. Raises PromptRefused."""
        words = [piece.text for piece in pieces_of(prompt, weighs=weighs)]
        # A bracket within a word makes two of it for the encoder, unless the halves weigh alike; either may be a term.
        if any(self._file.content().are_in(between.join(words)) for between in ("", " ")):
            raise PromptRefused([Refusal("/prompt", "holds what this service does not draw")])


def read_terms(path: Path) -> Terms:
    """One term a line; from a `#` on a line is a comment. Raises SettingsError with file, line and reason."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise _cannot_be_used(path, "it is not UTF-8") from None
    except OSError as error:
        raise _cannot_be_used(path, error.strerror) from None
    terms = []
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        try:
            terms += [parse_term(text)] if text else []
        except ValueError as error:
            raise _cannot_be_used(path, f"line {number}: {error}") from None
    return Terms(terms)


def _cannot_be_used(path: Path, reason: str | None) -> SettingsError:
    return SettingsError(f"the prompt policy {path} cannot be used: {reason}")
