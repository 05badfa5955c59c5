/**
 * httpd.conf text -> tree, with nothing executed: Include, Define, conditions and macros stay nodes. For converting;
 * readHttpd() is what a server reads. A macro whose body opens a section that it does not close is refused here.
 */
import { type Directive, errorAt, takeWord } from "./directive.ts";
import { logicalLines } from "./read_httpd.ts";

/** A comment on a line of its own, from its `#`. */
export interface Comment {
  readonly line: number;
  readonly text: string;
}

/** @throws ConfigError */
export function readRaw(file: string, text: string): Directive[] {
  const top: Directive[] = [];
  const open: { start: Directive; body: Directive[] }[] = [];
  for (const { text: source, line } of logicalLines(text, file)) {
    const indent = source.length - source.trimStart().length;
    const taken = takeWord(source, 0);
    if (taken === null || source[indent] === "#") continue;
    const name = taken.word.text;
    const at = { file, line, column: indent + 1, source, argsColumn: taken.next + 1 };
    const into = open.at(-1)?.body ?? top;
    if (name.startsWith("</")) {
      const closing: Directive = { ...at, name: name.slice(2).replace(/>$/, ""), args: "" };
      const section = open.pop();
      if (!section)
        throw errorAt(closing, `</${closing.name}> without matching <${closing.name}> section`, { form: "B" });
      if (section.start.name.toLowerCase() !== closing.name.toLowerCase()) {
        throw errorAt(closing, `Expected </${section.start.name}> but saw </${closing.name}>`, { form: "B" });
      }
    } else if (name.startsWith("<")) {
      const rest = source.slice(taken.next);
      const bracket = rest.lastIndexOf(">");
      const start = {
        ...at,
        name: name.slice(1).replace(/>$/, ""),
        args: rest.slice(0, Math.max(0, bracket)).trimEnd(),
      };
      if (bracket < 0 && !name.endsWith(">")) {
        throw errorAt(start, `<${start.name}> directive missing closing '>'`, { form: "B" });
      }
      const body: Directive[] = [];
      into.push({ ...start, body });
      open.push({ start, body });
    } else {
      into.push({ ...at, name, args: source.slice(taken.next) });
    }
  }
  const unclosed = open.at(-1)?.start;
  if (unclosed) throw errorAt(unclosed, `${file}:${unclosed.line}: <${unclosed.name}> was not closed.`, { form: "B" });
  return top;
}

/** The comments of httpd.conf text; one that goes on behind a backslash is one comment. */
export function httpdComments(text: string): Comment[] {
  return comments(logicalLines(text, ""));
}

/** The comments of YAML text. A line of a block scalar that looks like one is taken for one. */
export function yamlComments(text: string): Comment[] {
  return comments(text.split(/\r?\n/).map((line, i) => ({ text: line, line: i + 1 })));
}

function comments(lines: readonly Comment[]): Comment[] {
  return lines.map(({ text, line }) => ({ text: text.trim(), line })).filter(({ text }) => text.startsWith("#"));
}
