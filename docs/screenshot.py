"""Make the pictures of the page anew, from a server of its own: python docs/screenshot.py

Needs what the tests need (``pip install antiphon[science]``, Playwright, a Chromium). Start it from a clone.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import BrowserContext, Locator, Page, expect, sync_playwright

SIZE = (1400, 1260)

PICTURES = (
    ("screenshot.png", "light", SIZE),
    ("screenshot-dark.png", "dark", SIZE),
    ("screenshot-narrow.png", "light", (390, 844)),
    ("screenshot-narrow-dark.png", "dark", (390, 844)),
)
"""Each with the colours of the system and the size of the window."""

HEADING = """## A year of light in Oslo

How long the sun is up, from its *declination* and the latitude alone."""

HOURS = """import numpy as np

days = np.arange(365)
tilt = np.radians(-23.44) * np.cos(2 * np.pi * (days + 10) / 365)
hours = 24 / np.pi * np.arccos(-np.tan(np.radians(59.91)) * np.tan(tilt))
f"longest {hours.max():.1f} h, shortest {hours.min():.1f} h\""""

PLOT = """import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(8, 2.6))
ax.fill_between(days, hours, 12, where=hours > 12, color="#d9a441", alpha=0.4)
ax.fill_between(days, hours, 12, where=hours <= 12, color="#2f5277", alpha=0.3)
ax.plot(days, hours, color="#a82a1f", lw=2)
ax.set(xlim=(0, 364), yticks=[6, 12, 18], ylabel="hours of light")
ax.spines[["top", "right"]].set_visible(False)"""

TABLE = """import pandas as pd

season = np.array(["winter", "spring", "summer", "autumn"])[days // 92]
pd.Series(hours).groupby(season, sort=False).agg(["min", "mean", "max"]).round(1).T"""


def antiphon(*words: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "antiphon_client", *words], check=True, capture_output=True, text=True
    ).stdout.strip()


def cell(page: Page, number: int) -> Locator:
    return page.locator("[data-cell-id]").nth(number - 1)


def run(page: Page, number: int, code: str) -> None:
    cell(page, number).locator("code-text, .cm-content").first.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(code)
    page.keyboard.press("Shift+Enter")


def person(context: BrowserContext, name: str, display_name: str) -> Page:
    page = context.new_page()
    page.goto(antiphon("accounts", "create", name, "--display-name", display_name))
    expect(page.get_by_role("button", name="New worksheet")).to_be_visible()
    return page


def take() -> None:
    installed = shutil.which("chromium") or shutil.which("google-chrome")
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=installed, args=sandbox)
        size = {"width": SIZE[0], "height": SIZE[1]}
        # Captions name everyone but who looks: so it is a third person who takes the picture.
        view = chromium.new_context(viewport=size, color_scheme="light", reduced_motion="reduce")  # type: ignore[arg-type]
        cleo = person(view, "cleo", "Cleo")
        ada = person(chromium.new_context(viewport=size), "ada", "Ada")  # type: ignore[arg-type]
        ben = person(chromium.new_context(viewport=size), "ben", "Ben")  # type: ignore[arg-type]
        cleo.get_by_role("button", name="New worksheet").click()
        title = cleo.get_by_role("textbox", name="Title of the worksheet")
        title.fill("Daylight")
        title.press("Enter")
        cell(cleo, 1).locator("code-text, .cm-content").first.click()
        cleo.keyboard.press("Escape")
        cleo.keyboard.press("m")
        expect(cell(cleo, 1)).to_have_class(re.compile("markdown"))
        cleo.keyboard.press("Enter")
        expect(cell(cleo, 1).locator(".cm-content")).to_be_focused()
        cleo.keyboard.insert_text(HEADING)
        cleo.keyboard.press("Shift+Enter")
        cleo.get_by_role("button", name="Share").click()
        for name, page in (("ada", ada), ("ben", ben)):
            cleo.get_by_label("Account name").fill(name)
            cleo.get_by_role("button", name="Add", exact=True).click()
            expect(cleo.locator(f"[data-members] [data-account={name}]")).to_be_visible()
            page.goto(cleo.url)
        cleo.keyboard.press("Escape")
        for number, page, code in ((2, ada, HOURS), (3, ben, PLOT), (4, ada, TABLE)):
            run(page, number, code)
            expect(cell(cleo, number)).to_have_attribute("data-state", "done", timeout=60_000)
        # A run leaves an empty cell for who goes on.
        expect(cell(ada, 5)).to_be_visible()
        ada.keyboard.press("Escape")
        ada.keyboard.press("x")
        expect(cleo.locator("[data-cell-id]")).to_have_count(4)
        expect(cell(cleo, 4).locator("table")).to_be_visible()
        cleo.evaluate("Promise.all([...document.images].map(image => image.decode()))")
        cleo.evaluate("document.fonts.ready")
        cell(cleo, 1).focus()
        cleo.evaluate("document.activeElement.blur()")
        cleo.mouse.move(0, 0)
        for name, scheme, (width, height) in PICTURES:
            cleo.set_viewport_size({"width": width, "height": height})
            cleo.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            cleo.evaluate("scrollTo(0, 0)")
            picture = Path(__file__).with_name(name)
            cleo.screenshot(path=picture, animations="disabled")
            print(f"{picture} {picture.stat().st_size // 1000} kB")
        chromium.close()


def main() -> None:
    home = Path(tempfile.mkdtemp(prefix="antiphon-"))
    os.environ["ANTIPHON_DATA"] = str(home)
    with subprocess.Popen(
        [sys.executable, "-m", "antiphon_client", "serve", "--port", "0", "--no-browser"],
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            if not re.search("ready", server.stdout.readline()):
                sys.exit("antiphon serve did not start")
            take()
        finally:
            server.send_signal(signal.SIGTERM)
    shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
