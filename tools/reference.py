"""Write the parts of the documents that come from the code: ``make reference``.

``docs/operate.md`` gets the table of settings, between its markers; ``docs/api.md`` is the OpenRPC document
as people read it. tests/test_docs.py holds that both are current.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from antiphon_kernel.settings import KERNEL, Setting
from antiphon_webserver.limits import LIMITS
from antiphon_webserver.methods import TABLE
from antiphon_webserver.openrpc import document
from antiphon_webserver.settings import SERVER

ROOT = Path(__file__).parent.parent
OPERATE = ROOT / "docs" / "operate.md"
API = ROOT / "docs" / "api.md"
BEGIN, END = "<!-- settings: written by make reference -->", "<!-- end of settings -->"


def main() -> int:
    OPERATE.write_text(with_settings(OPERATE.read_text(encoding="utf-8")), encoding="utf-8")
    API.write_text(api(), encoding="utf-8")
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


# --- The API ----------------------------------------------------------------------------------

INTRODUCTION = """# The API

Written by `make reference` from the types of the methods; a running server gives the same as an OpenRPC
document (`rpc.discover`). How requests are sent, and what a session's feed is, stands in
[the specification](../spec/message_spec.rst).

    curl -s http://127.0.0.1:8750/rpc -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
      -d '{"jsonrpc": "2.0", "id": 1, "method": "session.run", "params": {"code": "6 * 7"}}'
"""


def api() -> str:
    """The reference of all methods, types, errors and limits."""
    found = document(TABLE, "https://antiphon.example")
    schemas = found["components"]["schemas"]
    parts = [INTRODUCTION, "## Methods\n"]
    parts += [_method(method) for method in found["methods"]]
    parts.append("## Types\n")
    parts += [_schema(name, schemas[name]) for name in sorted(schemas)]
    parts.append("## Errors\n\n| code | name | when |\n|---|---|---|")
    parts += [
        f"| {error['code']} | `{name}` | {_cell(error['message'])} |"
        for name, error in found["components"]["errors"].items()
    ]
    parts.append(
        "\n## Limits\n\n`LimitExceeded` names the one that was passed.\n\n| name | value |\n|---|---|"
    )
    parts += [f"| `{name}` | {value:,} |" for name, value in LIMITS.items()]
    return "\n".join(parts) + "\n"


def _method(method: dict[str, Any]) -> str:
    lines = [f"### {method['name']}\n", f"{method['summary']} {method['description']}\n"]
    if method["params"]:
        lines += ["| parameter | type | if left out |", "|---|---|---|"]
        lines += [_row(each["name"], each["schema"], required=each["required"]) for each in method["params"]]
        lines.append("")
    lines.append(f"Result: {_type(method['result']['schema'])}\n")
    return "\n".join(lines)


def _schema(name: str, schema: dict[str, Any]) -> str:
    said = schema.get("description", "").replace("``", "`")
    lines = [f"### {name}\n", *([f"{said}\n"] if said else [])]
    if "properties" in schema:
        lines += ["| member | type | if left out |", "|---|---|---|"]
        required = schema.get("required", ())
        lines += [
            _row(member, kind, required=member in required) for member, kind in schema["properties"].items()
        ]
        lines.append("")
    else:
        lines.append(f"{_type(schema)}\n")
    return "\n".join(lines)


def _row(name: str, schema: dict[str, Any], *, required: bool) -> str:
    otherwise = "" if required else f"`{_value(schema.get('default'))}`"
    return f"| `{name}` | {_cell(_type(schema))} | {otherwise} |"


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _type(schema: dict[str, Any]) -> str:
    """A schema in words, with links to the types that have a name."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(each) for each in schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "any value")
    if kind == "array":
        members = schema.get("prefixItems") or [schema.get("items") or {}]
        return f"list of {_type({'anyOf': members})}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    bounds = [
        f"{word} {schema[key]}"
        for key, word in (("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to"))
        if key in schema
    ]
    return " ".join([kind, *bounds])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("``", "`")


if __name__ == "__main__":
    sys.exit(main())
