/**
 * What becomes of each directive of a configuration. A reading that is watched goes on after an error.
 */
import type { CommandNote, ScopeInfo } from "../core/command.ts";
import { ConfigError, type Directive, type Position } from "./directive.ts";

/**
 * `honoured`: as in httpd. `differs`: honoured, but for what the notes say. `no effect`: read; the notes say why nothing comes of
 * it. `skipped`: a condition that does not hold, with all that it contains. `unknown`: no module here has it. `wrong`: it may
 * not stand where it stands, or so.
 */
export type Verdict = "honoured" | "differs" | "no effect" | "skipped" | "unknown" | "wrong";

/** One directive, in the place where it is written. */
export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** As the manual spells it; of a section with "<". "" for an error that is about no directive. */
  name: string;
  verdict: Verdict;
  /** Sentences, without a full stop. */
  readonly notes: string[];
}

/** A value of a scope that a directive wrote. */
export interface Write {
  /** Module and key. */
  readonly value: string;
  /** Added to what stood there. */
  readonly adds: boolean;
  /** Inner scopes add to it, too, instead of replacing it. */
  readonly joined: boolean;
}

/** From the mildest to the worst: a second module, or an error, may only make it worse. */
const ORDER: readonly Verdict[] = ["honoured", "skipped", "no effect", "differs", "unknown", "wrong"];

export class ConfigWatch {
  private found: Finding[] = [];
  private byDirective = new Map<Position, Finding>();
  private written = new Map<Position, Write[]>();
  private warnings: { at: Position; message: string }[] = [];
  /** In the order in which they were opened. */
  private readonly files: string[] = [];

  /** The configuration is read once more from its begin. */
  restart(): void {
    this.found = [];
    this.byDirective = new Map();
    this.written = new Map();
    this.warnings = [];
  }

  /** A directive is about to run, or is executed while reading. */
  runs(directive: Directive, spelling: string, note?: CommandNote, scope?: ScopeInfo): void {
    const finding = this.of(directive, spelling);
    if (scope?.kind === "none") {
      worsen(finding, "no effect", `in <${scope.section}>, which applies to no request of a proxy`);
    } else if (note !== undefined) this.remark(directive, note);
  }

  /** What is special about a directive that runs. */
  remark(directive: Position, { noEffect, differs }: CommandNote): void {
    const finding = this.byDirective.get(directive);
    if (finding === undefined) return;
    if (noEffect !== undefined) worsen(finding, "no effect", noEffect);
    if (differs !== undefined) worsen(finding, "differs", differs);
  }

  /** A container whose condition does not hold. */
  skipped(directive: Directive): void {
    worsen(this.of(directive, `<${directive.name}`), "skipped", "does not hold: what it contains is not read");
  }

  /** No module has it. `error` is thrown next. */
  unknown(directive: Directive, error: ConfigError): void {
    const written = directive.body === undefined ? directive.name : `<${directive.name}`;
    worsen(this.of(directive, written), "unknown", error.hint ?? "no directive of httpd that sluice knows of");
  }

  /** An error that ends an unwatched reading. */
  refused(error: Error): void {
    const at = error instanceof ConfigError ? error.position : undefined;
    if (at === undefined) {
      this.found.push({ file: "", line: 0, column: 0, name: "", verdict: "wrong", notes: [error.message] });
      return;
    }
    const known = this.found.findLast((one) => one.file === at.file && one.line === at.line);
    if (known?.verdict === "unknown") return;
    const finding = known ?? this.add(at, "");
    worsen(finding, "wrong", error.message);
    const hint = error instanceof ConfigError ? error.hint : undefined;
    if (hint !== undefined) finding.notes.push(hint);
  }

  /** A directive wrote a value of its scope. */
  writes(directive: Directive, write: Write): void {
    const known = this.written.get(directive);
    if (known === undefined) this.written.set(directive, [write]);
    else known.push(write);
  }

  /** What a directive wrote into its scope; what it did elsewhere is not among it. */
  writesOf(directive: Directive): readonly Write[] {
    return this.written.get(directive) ?? [];
  }

  /** A warning, which may come before its directive. */
  warned(at: Position, message: string): void {
    this.warnings.push({ at, message });
  }

  opened(file: string): void {
    if (!this.files.includes(file)) this.files.push(file);
  }

  /** Whether there was an error so far. */
  get failed(): boolean {
    return this.found.some(({ verdict }) => verdict === "unknown" || verdict === "wrong");
  }

  /** All of them: file by file as they were opened, from top to bottom. */
  findings(): readonly Finding[] {
    for (const { at, message } of this.warnings.splice(0)) {
      const finding = this.found.find(({ file, line }) => file === at.file && line === at.line);
      if (finding !== undefined && !finding.notes.includes(message)) finding.notes.push(message);
    }
    const place = (file: string) => (file === "" ? Number.POSITIVE_INFINITY : this.files.indexOf(file));
    return this.found
      .map((finding, i) => ({ finding, i }))
      .sort(({ finding: a, i }, { finding: b, i: j }) => place(a.file) - place(b.file) || a.line - b.line || i - j)
      .map(({ finding }) => finding);
  }

  private of(directive: Directive, name: string): Finding {
    let finding = this.byDirective.get(directive);
    if (finding === undefined) {
      const { file, line } = directive;
      // An error that came before the directive was known to be one.
      finding = this.found.find((one) => one.name === "" && one.file === file && one.line === line);
      if (finding === undefined) finding = this.add(directive, name);
      else finding.name = name;
      this.byDirective.set(directive, finding);
    }
    return finding;
  }

  private add({ file, line, column }: Position, name: string): Finding {
    const finding: Finding = { file, line, column, name, verdict: "honoured", notes: [] };
    this.opened(file);
    this.found.push(finding);
    return finding;
  }
}

function worsen(finding: Finding, verdict: Verdict, note: string): void {
  if (ORDER.indexOf(verdict) > ORDER.indexOf(finding.verdict)) finding.verdict = verdict;
  if (!finding.notes.includes(note)) finding.notes.push(note);
}

/** Runs `step`; of a reading that is watched, an error in the configuration is noted instead of thrown, and null answered. */
export function guarded<T>(watch: ConfigWatch | undefined, step: () => T): T | null {
  if (watch === undefined) return step();
  try {
    return step();
  } catch (error) {
    note(watch, error);
    return null;
  }
}

/** Notes an error of the configuration. What else goes wrong after one is its consequence. @throws what is neither */
export function note(watch: ConfigWatch, error: unknown): void {
  if (error instanceof ConfigError || (error as { code?: string }).code !== undefined) watch.refused(error as Error);
  else if (!watch.failed) throw error;
}
