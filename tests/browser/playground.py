"""The page as a visitor knows it: by labels, names and what is seen."""

from dataclasses import dataclass
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page

from tests.conftest import wait_until


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
        self.field("Prompt").fill(prompt)
        before = self.cards.count()
        self.page.keyboard.press("Control+Enter")
        wait_until(lambda: self.cards.count() == before + 1)
        return self.cards.first

    @property
    def cards(self) -> Locator:
        """Newest first."""
        return self.page.locator("article")

    def reach(self, card: Locator, status: str, seconds: float = 30) -> Locator:
        wait_until(lambda: card.get_attribute("data-status") == status, seconds)
        return card

    def evaluate(self, script: str) -> Any:
        return self.page.evaluate(script)

    def image_bytes(self, image: Locator) -> bytes:
        """Of the file that the element shows."""
        numbers = image.evaluate("async (image) => [...new Uint8Array(await (await fetch(image.src)).arrayBuffer())]")
        return bytes(numbers)

    def violations(self) -> list[str]:
        """What axe finds against WCAG and its own best practices."""
        found = Axe().run(self.page).response["violations"]
        return [f"{each['id']}: {[node['target'] for node in each['nodes']]}" for each in found]
