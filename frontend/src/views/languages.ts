/** The grammar for a language named in a document. Python is always there; others are loaded when first seen. */

import { pythonLanguage } from "@codemirror/lang-python";
import { StreamLanguage, type StreamParser } from "@codemirror/language";
import type { Parser } from "@lezer/common";

type Grammar = () => Promise<StreamParser<unknown>>;

const clike = (name: "c" | "cpp" | "java" | "csharp" | "kotlin" | "scala"): Grammar => async () => (await import("@codemirror/legacy-modes/mode/clike"))[name];
const javascript = (name: "javascript" | "typescript" | "json"): Grammar => async () => (await import("@codemirror/legacy-modes/mode/javascript"))[name];

const GRAMMARS: Readonly<Record<string, Grammar>> = {
  c: clike("c"),
  cpp: clike("cpp"),
  java: clike("java"),
  csharp: clike("csharp"),
  kotlin: clike("kotlin"),
  scala: clike("scala"),
  javascript: javascript("javascript"),
  typescript: javascript("typescript"),
  json: javascript("json"),
  css: async () => (await import("@codemirror/legacy-modes/mode/css")).css,
  diff: async () => (await import("@codemirror/legacy-modes/mode/diff")).diff,
  go: async () => (await import("@codemirror/legacy-modes/mode/go")).go,
  html: async () => (await import("@codemirror/legacy-modes/mode/xml")).html,
  julia: async () => (await import("@codemirror/legacy-modes/mode/julia")).julia,
  latex: async () => (await import("@codemirror/legacy-modes/mode/stex")).stex,
  r: async () => (await import("@codemirror/legacy-modes/mode/r")).r,
  ruby: async () => (await import("@codemirror/legacy-modes/mode/ruby")).ruby,
  rust: async () => (await import("@codemirror/legacy-modes/mode/rust")).rust,
  shell: async () => (await import("@codemirror/legacy-modes/mode/shell")).shell,
  sql: async () => (await import("@codemirror/legacy-modes/mode/sql")).standardSQL,
  toml: async () => (await import("@codemirror/legacy-modes/mode/toml")).toml,
  xml: async () => (await import("@codemirror/legacy-modes/mode/xml")).xml,
  yaml: async () => (await import("@codemirror/legacy-modes/mode/yaml")).yaml,
};

const OTHER_NAMES: Readonly<Record<string, string>> = {
  py: "python", python3: "python", ipython: "python", ipython3: "python",
  js: "javascript", ts: "typescript", sh: "shell", bash: "shell", zsh: "shell", console: "shell",
  "c++": "cpp", "c#": "csharp", tex: "latex", yml: "yaml", rs: "rust", rb: "ruby", jl: "julia",
};

const loaded = new Map<string, Promise<Parser | null>>();

/** Null for a language that is not known here: its text stays as it is. */
export function parserOf(name: string): Parser | null | Promise<Parser | null> {
  const language = Object.hasOwn(OTHER_NAMES, name) ? OTHER_NAMES[name]! : name;
  if (language === "python") return pythonLanguage.parser;
  if (!Object.hasOwn(GRAMMARS, language)) return null;
  let parser = loaded.get(language);
  if (parser === undefined) {
    parser = GRAMMARS[language]!().then(
      (grammar) => StreamLanguage.define(grammar).parser,
      () => null,
    );
    loaded.set(language, parser);
  }
  return parser;
}
