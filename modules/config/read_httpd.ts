/**
 * httpd.conf text -> tree: logical lines, sections, and the containers that decide while they are read.
 * Source: httpd server/util.c ap_cfg_getline, server/config.c ap_build_config, ap_soak_end_container
 */
import { ConfigError, type Directive, errorAt, takeWord } from "./directive.ts";
import { describeMacro, type Macro } from "./macro.ts";
import type { Preprocessor } from "./preprocess.ts";

/** Physical lines joined at their backslashes, with the indentation, without white space at the end. */
export interface LogicalLine {
  readonly text: string;
  /** The last physical line: the one httpd names in errors. */
  readonly line: number;
}

/** Characters of a logical line. Source: httpd VARBUF_MAX_LEN */
const MAX_LINE_LENGTH = 16 * 1024 * 1024;

export function logicalLines(text: string, file: string): LogicalLine[] {
  const physical = text.replace(/^\uFEFF/, "").split("\n");
  if (physical.at(-1) === "") physical.pop();
  const lines: LogicalLine[] = [];
  let joined = "";
  physical.forEach((part, i) => {
    const content = part.endsWith("\r") ? part.slice(0, -1) : part;
    const continued = content.endsWith("\\");
    joined += continued ? content.slice(0, -1) : content;
    if (joined.length > MAX_LINE_LENGTH) {
      throw new ConfigError(`Error reading ${file} at line ${i + 1}: Line too long`, {
        form: "B",
        position: { file, line: i + 1, column: 1 },
      });
    }
    if (continued && i < physical.length - 1) return;
    lines.push({ text: joined.trimEnd(), line: i + 1 });
    joined = "";
  });
  return lines;
}

/** Reads one file. Includes, macros and conditions are executed on the way; `pre` keeps what they define. */
export function readHttpd(file: string, text: string, pre: Preprocessor): Directive[] {
  return readBlock(new LineSource(file, logicalLines(text, file)), pre);
}

/**
 * The lines of a file, with the lines of a macro in the place where it is used. A macro's lines need not balance: it
 * may open a section that the file closes.
 */
class LineSource {
  readonly #frames: { file: string; lines: readonly LogicalLine[]; next: number }[];

  constructor(file: string, lines: readonly LogicalLine[]) {
    this.#frames = [{ file, lines, next: 0 }];
  }

  insert(file: string, lines: readonly LogicalLine[]): void {
    this.#frames.push({ file, lines, next: 0 });
  }

  next(): (LogicalLine & { file: string }) | null {
    for (;;) {
      const frame = this.#frames.at(-1);
      if (!frame) return null;
      const line = frame.lines[frame.next++];
      if (line) return { ...line, file: frame.file };
      this.#frames.pop();
    }
  }
}

interface OpenSection {
  readonly start: Directive;
  readonly body: Directive[];
}

/** To the end of the file or, within the true container `until`, to the line that closes it. */
function readBlock(source: LineSource, pre: Preprocessor, until?: Directive): Directive[] {
  const top: Directive[] = [];
  const open: OpenSection[] = [];
  for (let line = source.next(); line; line = source.next()) {
    const first = line.text.trimStart()[0];
    if (first === undefined || first === "#") continue;
    const { directive: d, tag, closed } = parseLine(line, pre);
    const into = open.at(-1)?.body ?? top;

    if (tag === "end") {
      if (until && open.length === 0 && sameName(until, d) && closed) return top;
      const section = open.pop();
      if (!section) {
        pre.fail(errorAt(d, `</${d.name}> without matching <${d.name}> section`, { form: "B" }));
        continue;
      }
      if (!closed) pre.fail(errorAt(d, `</${d.name}> directive missing closing '>'`, { form: "B" }));
      if (!sameName(section.start, d)) {
        pre.fail(errorAt(d, `Expected </${section.start.name}> but saw </${d.name}>`, { form: "B" }));
      }
      (open.at(-1)?.body ?? top).push({ ...section.start, body: section.body });
    } else if (tag === "start") {
      const executed = pre.isCondition(d.name) || pre.isMacro(d.name);
      if (!closed) pre.missingBracket(d, executed);
      if (pre.isMacro(d.name))
        pre.attempt(d, "<Macro", () => pre.defineMacro(d, { lines: macroLines(source, d, pre) }));
      else if (!executed) open.push({ start: d, body: [] });
      else if (pre.decides(d)) into.push(...readBlock(source, pre, d));
      else skipBlock(source, d, d.name, pre);
    } else if (d.name.toLowerCase() === "use") {
      pre.attempt(d, "Use", () => {
        const { macro, fill, file } = pre.findMacro(d);
        insertMacro(source, macro, fill, file, into, pre);
      });
    } else {
      into.push(...pre.execute(d));
    }
  }
  if (open.length > 0) pre.fail(notClosed(open));
  for (let section = open.pop(); section; section = open.pop()) {
    (open.at(-1)?.body ?? top).push({ ...section.start, body: section.body });
  }
  // httpd takes the end of the file for the end of a true container, without a word; a false one is an error.
  if (until)
    pre.warn("", `${until.file}:${until.line}: <${until.name}> was not closed before the end of the file`, until);
  return top;
}

function sameName(a: Directive, b: Directive): boolean {
  return a.name.toLowerCase() === b.name.toLowerCase();
}

/** Innermost first, one line each; the place is the outermost, as in httpd. */
function notClosed(open: readonly OpenSection[]): ConfigError {
  const message = open
    .map(({ start }) => `${start.file}:${start.line}: <${start.name}> was not closed.`)
    .reverse()
    .join("\n");
  return errorAt(open[0]!.start, message, { form: "B" });
}

interface ParsedLine {
  readonly directive: Directive;
  readonly tag: "start" | "end" | "none";
  /** Sections: whether there was a ">". */
  readonly closed: boolean;
}

function parseLine(line: LogicalLine & { file: string }, pre: Preprocessor): ParsedLine {
  const indent = line.text.length - line.text.trimStart().length;
  const at = { file: line.file, line: line.line, column: indent + 1 };
  const source = pre.expand(line.text, at);
  // The line is not empty, but a variable at its start may have been.
  const taken = takeWord(source, 0) ?? { word: { text: "" }, next: source.length };
  let name = taken.word.text;
  let args = source.slice(taken.next).trimEnd();

  const tag = name.startsWith("</") ? "end" : name.startsWith("<") ? "start" : "none";
  let closed = false;
  if (tag !== "none") {
    closed = name.endsWith(">");
    name = name.slice(tag === "end" ? 2 : 1, closed ? -1 : undefined);
    if (tag === "start" && args !== "") {
      const bracket = args.lastIndexOf(">");
      closed = bracket >= 0;
      if (closed) args = args.slice(0, bracket).trimEnd();
    }
  }
  const chain = pre.chain();
  return {
    directive: { name, args, argsColumn: taken.next + 1, ...at, source, ...(chain && { chain }) },
    tag,
    closed,
  };
}

/** Passes over a false container as raw text: only the tags are looked at, so that nested ones are counted. */
function skipBlock(source: LineSource, outermost: Directive, name: string, pre: Preprocessor): void {
  for (let line = source.next(); line; line = source.next()) {
    const tag = takeWord(line.text, 0)?.word.text ?? "";
    if (tag.startsWith("</")) {
      const closing = tag.slice(2).replace(/>$/, "");
      if (closing.toLowerCase() === name.toLowerCase()) return;
      pre.fail(errorAt(outermost, `Expected </${name}> but saw </${closing}>`, { form: "B" }));
      return;
    }
    if (tag.startsWith("<")) skipBlock(source, outermost, tag.slice(1).replace(/>$/, ""), pre);
  }
  pre.fail(errorAt(outermost, `Expected </${name}> before end of configuration`, { form: "B" }));
}

/** The lines up to </Macro>, unexpanded: `${}` and nested macros take effect where the macro is used. */
function macroLines(source: LineSource, start: Directive, pre: Preprocessor): LogicalLine[] {
  const lines: LogicalLine[] = [];
  for (let depth = 1, line = source.next(); line; line = source.next()) {
    const tag = takeWord(line.text, 0)?.word.text.toLowerCase().replace(/>$/, "");
    if (tag === "<macro") depth++;
    if (tag === "</macro" && --depth === 0) return lines;
    if (line.text.trimStart().startsWith("#")) continue;
    lines.push({ text: line.text, line: lines.length + 1 });
  }
  const where = describeMacro(pre.macroHead(start));
  throw errorAt(start, `${where}\n\tcontents error: expected token not found: </Macro`, { form: "B" });
}

function insertMacro(
  source: LineSource,
  macro: Macro,
  fill: (text: string) => string,
  file: string,
  into: Directive[],
  pre: Preprocessor,
): void {
  if ("tree" in macro.contents) into.push(...pre.useTree(macro.contents.tree, fill, file));
  else
    source.insert(
      file,
      macro.contents.lines.map((line) => ({ ...line, text: fill(line.text) })),
    );
}
