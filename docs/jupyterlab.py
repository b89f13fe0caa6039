"""Make docs/jupyterlab.png and docs/jupyterlab-debugger.png anew: python docs/jupyterlab.py

In a JupyterLab of their own. Needs ``pip install antiphon[science,debug] jupyterlab ipympl tqdm playwright``
and a Chromium.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Locator, Page, expect, sync_playwright

PICTURE = Path(__file__).with_name("jupyterlab.png")
SIZE = (1280, 1340)
DEBUGGER = PICTURE.with_name("jupyterlab-debugger.png")
DEBUGGER_SIZE = (1280, 800)
SECONDS = 60

TABLE = """import numpy as np
import pandas as pd

def hours(latitude, day):
    tilt = np.radians(-23.44) * np.cos(2 * np.pi * (day + 10) / 365)
    return 24 / np.pi * np.arccos(np.clip(-np.tan(np.radians(latitude)) * np.tan(tilt), -1, 1))

places = {"Nairobi": -1.29, "Rome": 41.89, "Oslo": 59.91}
pd.DataFrame({name: hours(at, np.array([80, 172, 355])) for name, at in places.items()},
             index=["March", "June", "December"]).round(1)"""

BAR = """from tqdm.notebook import tqdm

year = np.arange(365)
light = np.array([hours(latitude, year) for latitude in tqdm(np.linspace(-65, 65, 500), desc="latitudes")])
print(f"{light.size:,} days, the longest of {light.max():.1f} hours")"""

FIGURE = """%matplotlib widget
import ipywidgets
import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(8.2, 2.7), layout="constrained")
line, = ax.plot(year, hours(0, year), color="#a82a1f", lw=2)
ax.set(xlim=(0, 364), ylim=(0, 24), yticks=[0, 6, 12, 18, 24], ylabel="hours of light")

@ipywidgets.interact(latitude=(-65, 65))
def draw(latitude=0):
    line.set_ydata(hours(latitude, year))
    fig.canvas.draw_idle()
    print(f"at {latitude}° from {line.get_ydata().min():.1f} to {line.get_ydata().max():.1f} hours")"""


STOPPED = """import numpy as np

places = {"Nairobi": -1.29, "Rome": 41.89, "Oslo": 59.91}

def hours(latitude, day):
    tilt = np.radians(-23.44 * np.cos(2 * np.pi * (day + 10) / 365))
    cosine = -np.tan(np.radians(latitude)) * np.tan(tilt)
    return 24 / np.pi * np.arccos(np.clip(cosine, -1, 1))

for name, latitude in places.items():
    print(f"{name}: {hours(latitude, day=172):.1f} hours")"""

BREAKPOINT = 8  # the line


def run(page: Page, code: str) -> Locator:
    """Run code in the notebook's last cell, to its end.

    Returns:
        The cell.
    """
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    cell = cells.nth(cells.count() - 1)
    cell.locator(".cm-content").click()
    page.keyboard.insert_text(code)
    page.keyboard.press("Shift+Enter")
    expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]"), timeout=SECONDS * 1000)
    return cell


def open_notebook(page: Page, url: str) -> None:
    """Open a new notebook on Antiphon, with nothing beside it."""
    page.set_default_timeout(SECONDS * 1000)
    page.goto(url)
    page.locator(".jp-LauncherCard[data-category=Notebook][title=Antiphon]").click()
    expect(page.locator("#jp-main-statusbar")).to_contain_text("Antiphon | Idle")
    expect(page.locator(".jp-Notebook .cm-editor.cm-focused")).to_be_visible()
    page.keyboard.press("Control+b")  # the list of files goes


def take_notebook(page: Page, url: str) -> None:
    open_notebook(page, url)
    expect(run(page, TABLE).locator("table")).to_be_visible()
    expect(run(page, BAR)).to_contain_text("500/500")
    figure = run(page, FIGURE)
    expect(figure.locator("canvas").first).to_be_visible()
    latitude = figure.locator(".noUi-handle")
    latitude.focus()
    for _ in range(12):
        page.keyboard.press("PageUp")
    expect(figure).to_contain_text("at 60° from")
    page.locator(".jp-Notebook .jp-WindowedPanel-outer").evaluate("panel => panel.scrollTo(0, 0)")
    page.mouse.move(0, 0)
    page.screenshot(path=PICTURE, animations="disabled")


def take_debugger(page: Page, url: str) -> None:
    """Stop in a cell, at a line that the mouse marks beside it."""
    open_notebook(page, url)
    cell = page.locator(".jp-Notebook .jp-CodeCell").first
    cell.locator(".cm-content").click()
    page.keyboard.insert_text(STOPPED)
    bug = page.locator(".jp-DebuggerBugButton")
    bug.click()
    expect(bug).to_have_attribute("aria-pressed", "true")
    line = cell.locator(".cm-line").nth(BREAKPOINT - 1)
    beside, height = cell.locator(".cm-gutter.cm-breakpoint-gutter").bounding_box(), line.bounding_box()
    assert beside is not None
    assert height is not None
    page.mouse.click(beside["x"] + beside["width"] / 2, height["y"] + height["height"] / 2)
    expect(page.locator(".jp-DebuggerBreakpoint")).to_have_count(1)
    line.click()
    page.keyboard.press("Control+Enter")
    expect(cell.locator(".jp-DebuggerEditor-highlight")).to_be_visible()
    expect(page.locator(".jp-DebuggerVariables")).to_contain_text("cosine")
    page.mouse.move(0, 0)
    page.screenshot(path=DEBUGGER, animations="disabled")


def take(lab: str, token: str) -> None:
    installed = shutil.which("chromium") or shutil.which("google-chrome")
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=installed, args=sandbox)
        for name, size, take_it in (
            ("notebook", SIZE, take_notebook),
            ("debugger", DEBUGGER_SIZE, take_debugger),
        ):
            page = chromium.new_page(
                viewport={"width": size[0], "height": size[1]}, color_scheme="light", reduced_motion="reduce"
            )
            take_it(page, f"{lab}lab/workspaces/{name}?token={token}")
            page.close()
        chromium.close()


def main() -> None:
    home = Path(tempfile.mkdtemp(prefix="antiphon-"))
    (home / "work").mkdir()
    directories = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    for name in (*directories, "ANTIPHON_DATA"):
        os.environ[name] = str(home / name.lower())
    os.environ["JUPYTER_PATH"] = str(home / "share" / "jupyter")
    install = [sys.executable, "-m", "antiphon_client", "kernel", "install", "--prefix", str(home)]
    subprocess.run(install, check=True)
    # Whether somebody wants Jupyter's news is asked in a corner of the picture.
    news = home / "jupyter_config_dir" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    news.mkdir(parents=True)
    (news / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    token = secrets.token_urlsafe()
    os.environ["JUPYTER_TOKEN"] = token
    root = [] if os.geteuid() else ["--allow-root"]
    with subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", "--port=0", *root],
        stderr=subprocess.PIPE,
        cwd=home / "work",
        text=True,
    ) as lab:
        try:
            assert lab.stderr is not None
            said = (re.search(r"http://127\.0\.0\.1:\d+/", line) for line in lab.stderr)
            address = next((found for found in said if found), None)
            if address is None:
                sys.exit("jupyter lab did not start")
            take(address[0], token)
        finally:
            lab.send_signal(signal.SIGTERM)
    shutil.rmtree(home, ignore_errors=True)
    for picture in (PICTURE, DEBUGGER):
        print(f"{picture} {picture.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
