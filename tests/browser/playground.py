"""The page as a visitor knows it: by labels, names and what is seen."""

from dataclasses import dataclass
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page

from tests.conftest import wait_until

_SHOWN = "card => [card.querySelector('progress')?.value, card.querySelector('.preview')?.src]"


@dataclass(frozen=True)
class Playground:
    page: Page

    def field(self, label: str) -> Locator:
        return self.page.get_by_label(label, exact=True)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def ask_for(self, prompt: str, **settings: str) -> Locator:
        """By keyboard. The card of what was asked for; the settings are by their labels."""
        for label, value in settings.items():
            self.field(label).fill(value)
        before = self.cards.count()
        self.ask_for_nothing(prompt)
        wait_until(lambda: self.cards.count() == before + 1)
        return self.cards.first

    def ask_for_nothing(self, prompt: str) -> None:
        """As `ask_for`, of what is refused."""
        self.field("Prompt").fill(prompt)
        self.page.keyboard.press("Control+Enter")

    @property
    def cards(self) -> Locator:
        """Newest first."""
        return self.page.locator("article")

    def reach(self, card: Locator, status: str, seconds: float = 30) -> Locator:
        wait_until(lambda: card.get_attribute("data-status") == status, seconds)
        return card

    def evaluate(self, script: str) -> Any:
        return self.page.evaluate(script)

    def watch(self, card: Locator) -> tuple[list[float], list[str]]:
        """Until it has succeeded: the steps that its bar shows, and its previews, each once and in their order."""
        steps: list[float] = []
        previews: list[str] = []
        while card.get_attribute("data-status") != "succeeded":
            step, preview = card.evaluate(_SHOWN)
            steps += [step] if step and step not in steps else []
            previews += [preview] if preview and preview not in previews else []
        return steps, previews

    def image_bytes(self, image: Locator) -> bytes:
        """Of the file that the element shows."""
        numbers = image.evaluate("async (image) => [...new Uint8Array(await (await fetch(image.src)).arrayBuffer())]")
        return bytes(numbers)

    def violations(self) -> list[str]:
        """What axe finds against WCAG and its own best practices."""
        found = Axe().run(self.page).response["violations"]
        return [f"{each['id']}: {[node['target'] for node in each['nodes']]}" for each in found]
