"""Write the parts of the documents that come from the code: ``make reference``.

``docs/operate.md`` gets the table of settings, between its markers. tests/test_docs.py holds that both
are current.
"""

from __future__ import annotations

import sys
from pathlib import Path

from antiphon_kernel.settings import KERNEL, Setting
from antiphon_webserver.settings import SERVER

ROOT = Path(__file__).parent.parent
OPERATE = ROOT / "docs" / "operate.md"
BEGIN, END = "<!-- settings: written by make reference -->", "<!-- end of settings -->"


def main() -> int:
    OPERATE.write_text(with_settings(OPERATE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def with_settings(text: str) -> str:
    """The operator's guide with the tables of settings as they are now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    tables = "\n".join(_table(section, found) for section, found in (("server", SERVER), ("kernel", KERNEL)))
    return f"{before}{BEGIN}\n{tables}{END}{after}"


def _table(section: str, settings: tuple[Setting, ...]) -> str:
    rows = [f"| `[{section}]` | what | without it |", "|---|---|---|"]
    for setting in settings:
        otherwise = setting.otherwise or (f"`{setting.default}`" if setting.default else "")
        rows.append(f"| `{setting.name}` {setting.metavar} | {setting.help} | {otherwise} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(main())
