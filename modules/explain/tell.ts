/**
 * The answer of `explain`, as data for programs and as text.
 */
import { LEVELS } from "../core/error_log.ts";
import type { SectionRec, ServerRec } from "../core/records.ts";
import type { Answer } from "./explain.ts";
import { type AttemptStory, type RequestStory, sectionsOf } from "./observer.ts";

/** file:line */
type Place = string;

export interface Told {
  readonly request: string;
  readonly address: string;
  readonly requests: readonly ToldRequest[];
  /** Look-ups and questions that were not made, and what was taken for their answer. */
  readonly notAsked: readonly string[];
  readonly toBackend: readonly string[];
  readonly fromBackend: readonly string[];
  readonly response: readonly string[];
  readonly status: number;
}

export interface ToldRequest {
  readonly uri: string;
  readonly vhost: { readonly name: string; readonly at: Place; readonly by: string };
  readonly sections: readonly { readonly section: string; readonly at: Place }[];
  readonly rewriting: readonly string[];
  readonly rule: { readonly path: string; readonly url: string; readonly at: Place } | null;
  /** Where the backend is asked; "" if none is. */
  readonly url: string;
  readonly handler: string;
  readonly access: { readonly granted: boolean; readonly log: readonly string[] };
  readonly attempts: readonly ToldAttempt[];
  /** Warnings and errors. */
  readonly log: readonly string[];
}

export interface ToldAttempt {
  readonly balancer: string | null;
  readonly lbmethod: string | null;
  readonly session: { readonly route: string; readonly name: string } | null;
  readonly members: readonly {
    readonly name: string;
    readonly route: string;
    readonly candidate: boolean;
    readonly figure: string;
    readonly why: string;
  }[];
  /** null: none could be elected. */
  readonly chosen: string | null;
  readonly by: string;
}

/** Modules whose messages tell of access. */
const ACCESS = /^(authz|access_|auth|authn)/;
const DEBUG = 7;

export function tell(answer: Answer): Told {
  const { story, response } = answer;
  return {
    request: answer.request.split("\r\n")[0]!,
    address: `${answer.localIp}:${answer.localPort}`,
    requests: story.requests.map((one) => tellRequest(answer, one)),
    notAsked: answer.wishes,
    toBackend: lines(answer.toBackend),
    fromBackend: lines(answer.fromBackend),
    response: lines(response),
    status: Number(/^HTTP\/1\.\d (\d{3})/.exec(response)?.[1] ?? 0),
  };
}

function tellRequest(answer: Answer, one: RequestStory): ToldRequest {
  const { r, rule } = one;
  const log = answer.log.filter(({ request }) => request === r);
  const text = (of: typeof log) => of.map((message) => message.text);
  const refused = one.reached === "access";
  return {
    uri: r.uri + (r.args === null ? "" : `?${r.args}`),
    vhost: { name: r.server.hostname, at: serverPlace(r.server), by: chosenBy(answer, one) },
    sections: sectionsOf(one).map((section) => ({ section: headOf(section), at: place(section) })),
    // Without who asked whom, which each line of mod_rewrite begins with.
    rewriting: text(log.filter(({ module }) => module === "rewrite")).map((line) =>
      line.replace(/^.*?\]\[rid[^\]]*\] /, ""),
    ),
    rule: rule === null ? null : { path: rule.fake, url: rule.url, at: `${rule.file}:${rule.line}` },
    url: one.url,
    handler: r.handler,
    access: {
      granted: !refused && one.reached !== "read" && one.reached !== "mapped",
      log: text(log.filter(({ module, rank }) => ACCESS.test(module) && rank <= DEBUG)),
    },
    attempts: one.attempts.map(tellAttempt),
    log: log
      .filter(({ rank, module }) => rank <= LEVELS.indexOf("warn") && !ACCESS.test(module))
      .map(({ module, rank, text }) => `[${module}:${LEVELS[rank]}] ${text}`),
  };
}

function tellAttempt({ standings, member, attempt }: AttemptStory): ToldAttempt {
  const { balancer, session } = attempt;
  return {
    balancer: balancer?.name ?? null,
    lbmethod: balancer?.params.lbmethod ?? null,
    session,
    members: standings.map(({ member, figure, why }) => ({
      name: member.name,
      route: member.route,
      candidate: figure !== null,
      figure: figure ?? "",
      why,
    })),
    chosen: member?.name ?? null,
    by:
      balancer === null || member === null
        ? ""
        : session !== null && session.route !== "" && session.route === member.route
          ? `the session's route (${session.name})`
          : balancer.params.lbmethod,
  };
}

function chosenBy({ candidates }: Answer, { r }: RequestStory): string {
  const { server } = r;
  if (!server.isVirtual) return "no virtual host has this address";
  if (candidates.length === 1) return "the only one of this address";
  const { hostname } = r;
  if (server.hostname.toLowerCase() === hostname) return "by its ServerName";
  if (server.names.includes(hostname)) return "by a ServerAlias";
  if (server !== candidates[0]) return "by a ServerAlias with wildcards";
  return "the first of this address: no other one has the name";
}

function serverPlace({ file, line }: ServerRec): Place {
  return file === "" ? "" : `${file}:${line}`;
}

function place({ file, line }: { readonly file: string; readonly line: number }): Place {
  return `${file}:${line}`;
}

function headOf({ kind, arg, isRegex, isElse, condition }: SectionRec): string {
  if (kind === "if") return isElse ? (condition === null ? "<Else>" : `<ElseIf ${arg}>`) : `<If ${arg}>`;
  return `<${kind === "proxy" ? "Proxy" : "Location"} ${isRegex ? "~ " : ""}"${arg}">`;
}

function lines(head: string): string[] {
  return head === "" ? [] : head.split("\r\n");
}

/** One fact a line, continued below itself. */
export function tellText(told: Told): string {
  const out: string[] = [];
  const fact = (name: string, values: readonly string[]): void => {
    for (const [i, value] of values.entries()) out.push(`${(i === 0 ? name : "").padEnd(16)}${value}`);
  };
  out.push(`${told.request.replace(/ HTTP\/1\.1$/, "")}  at ${told.address}`, "");
  for (const one of told.requests) {
    if (one !== told.requests[0]) out.push("", `then, by a redirect inside of the server: ${one.uri}`, "");
    const { vhost, rule } = one;
    fact("virtual host", [`${vhost.name}${vhost.at === "" ? "" : ` (${vhost.at})`}, ${vhost.by}`]);
    fact("sections", one.sections.length === 0 ? ["none matches"] : one.sections.map((s) => `${s.section} (${s.at})`));
    fact("rewriting", one.rewriting);
    if (rule !== null) fact("rule", [`ProxyPass ${rule.path} ${rule.url} (${rule.at})`]);
    fact("URL", [one.url !== "" ? one.url : `none: nothing passes ${one.uri} to a backend`]);
    if (one.url === "" && one.handler !== "") fact("handler", [one.handler]);
    fact("access", [one.access.granted ? "granted" : "not granted", ...one.access.log]);
    for (const attempt of one.attempts) tellAttemptText(attempt, fact);
    fact("log", one.log);
  }
  fact("not asked", told.notAsked);
  block(out, "the backend gets", told.toBackend);
  if (told.toBackend.length > 0) block(out, "an example of its answer", told.fromBackend);
  block(out, "the client gets", told.response);
  return out.join("\n");
}

function tellAttemptText(attempt: ToldAttempt, fact: (name: string, values: readonly string[]) => void): void {
  const { balancer, lbmethod, session, members, chosen } = attempt;
  if (balancer === null) {
    fact("worker", [chosen ?? "none"]);
    return;
  }
  fact("balancer", [`${balancer}, lbmethod=${lbmethod}`]);
  if (session !== null) fact("session", [`route "${session.route}" in ${session.name}`]);
  fact(
    "members",
    members.map(({ name, route, candidate, figure, why }) => {
      const what = candidate ? `candidate${figure === "" ? "" : `, ${figure}`}` : `left out: ${why}`;
      return `${name}${route === "" ? "" : ` route=${route}`}  ${what}`;
    }),
  );
  fact("chosen", [chosen === null ? "none" : `${chosen}, by ${attempt.by}`]);
}

function block(out: string[], title: string, head: readonly string[]): void {
  if (head.length > 0) out.push("", `${title}:`, ...head.map((line) => `    ${line}`));
}
