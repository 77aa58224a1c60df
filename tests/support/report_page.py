"""What tests do and find on the page of a report."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

Opener = Callable[..., "Page"]


def card(page: "Page", cluster: int) -> Any:
    return page.locator(f"#cluster-{cluster}")


def merge(page: "Page", cluster: int, into: int) -> None:
    select = card(page, cluster).locator("[data-field=merged_into]")
    select.focus()
    select.select_option(str(into))


def patch_of(page: "Page", cluster: int, place: int = 0) -> tuple[Any, int]:
    """Return a patch's button and its row."""
    button = card(page, cluster).locator(".patch").nth(place)
    return button, int(button.get_attribute("data-patch"))


def saved(page: "Page", folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save names.json").click()
    assert waiting.value.suggested_filename == "names.json"
    path = folder / "names.json"
    waiting.value.save_as(path)
    return path


def categories(page: "Page") -> list[str]:
    page.locator("#outcome summary").click()
    page.wait_for_selector("#categories li")
    return [str(text) for text in page.locator("#categories li").all_text_contents()]


def content(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
