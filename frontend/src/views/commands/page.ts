/** Commands of the session, the worksheet and the page around it. */

import { may } from "../../notebook";
import { sessionHolds } from "../../overview";
import { promptsOf } from "../../prompts";
import type { FileFormat } from "../../protocol";
import { untrusted } from "../../trust";
import { FILES } from "../words";
import type { Command, Context } from "./command";

const isMember = ({ state }: Context) => state.account?.visitor === false;
const isHome = ({ state }: Context) => state.route.page === "home";

function download([format, words]: readonly [FileFormat, string]): Command {
  return {
    id: `download-${format}`,
    group: "Worksheet",
    name: `Download as ${words}`,
    words: "export save file",
    needs: "observe",
    run: ({ actions, notebook }) => void (notebook && actions.downloadWorksheet(notebook.worksheet.id, format)),
  };
}

export const PAGE_COMMANDS: readonly Command[] = [
  { id: "interrupt", group: "Session", name: "Interrupt the session", words: "stop break", needs: "run", possible: ({ notebook }) => notebook !== null && sessionHolds(notebook), run: ({ actions }) => void actions.interrupt() },
  { id: "restart", group: "Session", name: "Restart the session", words: "kernel reset", keys: ["0 0"], needs: "run", run: ({ actions }) => actions.restart() },

  { id: "send", group: "Worksheet", name: "Send now what was typed; it is sent by itself anyway", words: "save write", keys: ["Ctrl+S", "s"], whileEditing: true, needs: "observe", run: ({ actions }) => actions.sendNow() },
  { id: "share", group: "Worksheet", name: "Share the worksheet", words: "members link invite people", needs: "own", run: ({ actions }) => void actions.share() },
  { id: "rename", group: "Worksheet", name: "Rename the worksheet", words: "title", needs: "edit", run: ({ actions, notebook }) => notebook && actions.openDialog({ kind: "rename", id: notebook.worksheet.id, title: notebook.worksheet.title }) },
  { id: "history", group: "Worksheet", name: "Look at earlier states of the worksheet", short: "Earlier states…", words: "history versions undo restore", needs: "observe", run: ({ actions }) => void actions.past.openHistory() },
  { id: "bin", group: "Worksheet", name: "Look at deleted cells", short: "Deleted cells…", words: "bin trash restore undo", needs: "observe", run: ({ actions }) => actions.past.openBin() },
  { id: "clear-all", group: "Worksheet", name: "Delete all outputs of the worksheet", short: "Delete outputs…", words: "clear remove room space", needs: "edit", run: ({ actions }) => actions.clearing.all() },
  { id: "clear-earlier", group: "Worksheet", name: "Delete the outputs of earlier runs", words: "clear remove room space history", needs: "edit", run: ({ actions }) => actions.clearing.earlier() },
  ...FILES.map(download),

  { id: "outline", group: "View", name: "Show or hide the outline", short: "Outline", on: ({ state }) => state.pane === "outline", words: "contents headings table pane sidebar", keys: ["Ctrl+Shift+O"], whileEditing: true, needs: "observe", run: ({ actions }) => actions.togglePane("outline") },
  { id: "variables", group: "View", name: "Show or hide the variables", short: "Variables", on: ({ state }) => state.pane === "variables", words: "inspector names values data pane sidebar", keys: ["Ctrl+Shift+X"], whileEditing: true, needs: "run", run: ({ actions }) => actions.togglePane("variables") },
  { id: "files", group: "View", name: "Show or hide the session's files", short: "Files", on: ({ state }) => state.pane === "files", words: "upload download pane sidebar directory", needs: "run", run: ({ actions }) => actions.togglePane("files") },
  { id: "present", group: "View", name: "Present the worksheet as slides", short: "Present…", words: "presentation show slideshow reading flow", keys: ["Shift+P"], needs: "observe", run: ({ actions }) => actions.presenting.begin() },
  { id: "scratch", group: "View", name: "Open or close the scratch cell: try code that nobody else sees", short: "Scratch cell", words: "scratchpad console try repl", keys: ["Ctrl+B"], whileEditing: true, needs: "run", run: ({ actions }) => actions.scratch.toggle() },
  { id: "print", group: "Worksheet", name: "Print the worksheet, all of its cells", short: "Print…", words: "paper pdf", keys: ["Ctrl+P"], whileEditing: true, needs: "observe", run: () => print() },
  { id: "unfollow", group: "View", name: "Do not go with anybody any more", words: "follow stop scroll", possible: ({ state }) => state.following !== null, run: ({ actions, state }) => state.following !== null && actions.follow(state.following) },
  { id: "trust", group: "View", name: "Let the interactive outputs of others run here", words: "trust show widgets html frames", needs: "observe", possible: ({ state, notebook }) => notebook !== null && untrusted(notebook, state.trusted).length > 0, run: ({ actions, state, notebook }) => notebook && actions.trust(untrusted(notebook, state.trusted)) },
  { id: "line-numbers", group: "View", name: "Show or hide line numbers", short: "Line numbers", on: ({ state }) => state.lineNumbers, words: "gutter", keys: ["Shift+L"], needs: "observe", run: ({ actions, state }) => actions.prefer({ lineNumbers: !state.lineNumbers }) },
  { id: "theme-light", group: "View", name: "Colours: light", words: "theme day", run: ({ actions }) => actions.setTheme("light") },
  { id: "theme-dark", group: "View", name: "Colours: dark", words: "theme night", run: ({ actions }) => actions.setTheme("dark") },
  { id: "theme-system", group: "View", name: "Colours: as the system", words: "theme automatic", run: ({ actions }) => actions.setTheme("system") },

  { id: "bell", group: "Page", name: "Tell me when a long run ends", words: "notification notify bell", possible: ({ state }) => state.bell !== "on", run: ({ actions }) => void actions.bell.wanted() },
  { id: "no-bell", group: "Page", name: "Do not tell me when a long run ends", words: "notification notify bell mute", possible: ({ state }) => state.bell === "on", run: ({ actions }) => actions.bell.unwanted() },
  { id: "to-prompt", group: "Go", name: "Go to what asks for an answer", words: "input prompt jump", needs: "answer", possible: ({ notebook }) => notebook !== null && promptsOf(notebook).length > 0, run: ({ actions, notebook }) => notebook && promptsOf(notebook)[0] && actions.toPrompt(promptsOf(notebook)[0]!) },

  { id: "palette", group: "Page", name: "Find a command", words: "palette search action", keys: ["Ctrl+Shift+P", "Ctrl+Shift+C", "p"], whileEditing: true, run: ({ actions }) => actions.openDialog({ kind: "palette", query: "", at: 0 }) },
  { id: "keys", group: "Page", name: "Show all keys", short: "Keys", words: "help shortcuts keyboard", keys: ["?", "h"], run: ({ actions }) => actions.openDialog({ kind: "keys" }) },
  { id: "home", group: "Page", name: "Go to your worksheets", words: "home list back", possible: (context) => !isHome(context), run: ({ actions }) => actions.go({ page: "home" }) },
  { id: "new", group: "Page", name: "Make a new worksheet", words: "create", possible: isMember, run: ({ actions }) => void actions.home.create() },
  { id: "import", group: "Page", name: "Import notebooks or scripts", words: "upload open file ipynb", possible: isMember, run: ({ actions }) => chooseFiles((files) => void actions.home.import(files)) },
  { id: "reconnect", group: "Page", name: "Try to reconnect now", words: "network offline", possible: ({ state }) => state.connection.kind === "waiting", run: ({ actions }) => actions.retryNow() },
  { id: "password", group: "Page", name: "Set your password", short: "Set password…", words: "account", possible: isMember, run: ({ actions }) => actions.openDialog({ kind: "password" }) },
  { id: "new-account", group: "Page", name: "Make an account for somebody", words: "user invite admin", possible: ({ state }) => state.account?.admin === true, run: ({ actions }) => actions.openDialog({ kind: "account", made: null }) },
  { id: "server", group: "Page", name: "Look after the server", short: "The server…", words: "admin accounts users sessions audit limits invite", possible: ({ state }) => state.account?.admin === true, run: ({ actions }) => actions.go({ page: "admin", part: "accounts" }) },
  { id: "sign-out", group: "Page", name: "Sign out", words: "leave logout", possible: isMember, run: ({ actions }) => void actions.signOut() },
  { id: "leave", group: "Page", name: "Leave", words: "sign out logout", possible: (context) => !isMember(context), run: ({ actions }) => void actions.signOut() },
];

/** Commands that are there because of who is here. */
export function personCommands({ notebook, state }: Context): readonly Command[] {
  if (notebook === null || !may(notebook.worksheet.role, "observe")) return [];
  return notebook.people
    .filter(({ account }) => account !== notebook.me)
    .map(({ account, display_name }) => ({
      id: `follow ${account}`,
      group: "View" as const,
      name: `${state.following === account ? "Do not scroll" : "Scroll"} with ${display_name || account}`,
      words: "follow person",
      run: ({ actions }: Context) => actions.follow(account),
    }));
}

function chooseFiles(then: (files: readonly File[]) => void): void {
  const input = Object.assign(document.createElement("input"), { type: "file", accept: ".ipynb,.py", multiple: true });
  input.addEventListener("change", () => then([...(input.files ?? [])]));
  input.click();
}
