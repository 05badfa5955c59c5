/**
 * `config --effective FILE --vhost NAME URL`: what of a configuration applies to a URL.
 */
import { optionsOf, parseCommandLine } from "./command_line.ts";
import { commandsByName } from "./config/build.ts";
import { httpdName, toHttpd, toYaml } from "./config/convert.ts";
import type { Directive } from "./config/directive.ts";
import type { Comment } from "./config/read_raw.ts";
import { ConfigWatch } from "./config/watch.ts";
import type { Module } from "./core/module.ts";
import { effectiveTree } from "./explain/effective.ts";
import { type Answer, explain } from "./explain/explain.ts";
import { sectionsOf } from "./explain/observer.ts";
import type { LoadOptions } from "./mpm/load.ts";

/** `config --effective FILE [--vhost NAME] [--yaml | --json] URL`. @throws ConfigError */
export async function configCommand(args: readonly string[], modules: readonly Module[]): Promise<number | null> {
  const line = parseCommandLine(args, { effective: true, vhost: true, yaml: false, json: false });
  const file = line?.long.get("effective") ?? line?.file;
  const [url, ...more] = line?.words ?? [];
  if (line === null || file === undefined || file === null || url === undefined || more.length > 0) return null;
  const effective = await effectiveConfiguration(optionsOf(line, file, modules), url, line.long.get("vhost"));
  if (typeof effective === "string") {
    console.error(effective);
    return 1;
  }
  console.log(print(effective, line.long.has("json") ? "json" : line.long.has("yaml") ? "yaml" : "httpd"));
  return 0;
}

export interface Effective {
  readonly answer: Answer;
  readonly tree: readonly Directive[];
}

/** Or why there is none. @param url a path, or a whole URL; @param vhost a ServerName or ServerAlias */
export async function effectiveConfiguration(
  options: LoadOptions,
  url: string,
  vhost: string | undefined,
): Promise<Effective | string> {
  // Read once to know the addresses of virtual hosts, then asked.
  const path = url.replace(/^https?:\/\/[^/]*/i, "") || "/";
  let asked = url;
  let to: string | undefined;
  let wanted: { file: string; line: number } | undefined;
  if (vhost !== undefined) {
    const { process } = await explain(options, { method: "GET", url: path, headers: [] });
    const name = vhost.toLowerCase();
    const server = process.servers.find((one) => one.hostname.toLowerCase() === name || one.names.includes(name));
    if (server === undefined) return `no virtual host is called ${vhost}: -S lists them`;
    wanted = server;
    const { host = "*", port = 0 } = server.addrs[0] ?? {};
    asked = `${port === 443 ? "https" : "http"}://${vhost}${port === 0 ? "" : `:${port}`}${path}`;
    if (port !== 0 || host !== "*") to = `${host === "*" ? "" : host}${port === 0 ? "" : `:${port}`}`;
  }
  const watch = new ConfigWatch();
  const answer = await explain({ ...options, watch }, { method: "GET", url: asked, headers: [], to });
  if (watch.failed) return `${options.file} has errors: check lists them`;
  const one = answer.story.requests[0];
  if (one === undefined) return `no such request can be read: ${answer.response.split("\r\n")[0]}`;
  const { server } = one.r;
  if (wanted !== undefined && (server.file !== wanted.file || server.line !== wanted.line)) {
    return `no request reaches ${vhost}: ${server.hostname} (${server.file}:${server.line}) serves ${asked}`;
  }
  return { answer, tree: effectiveTree(answer.tree, { server, sections: sectionsOf(one) }, watch) };
}

function print({ answer, tree }: Effective, form: "httpd" | "yaml" | "json"): string {
  const commands = commandsByName(answer.process.modules);
  const find = (name: string) => commands.get(name.toLowerCase())?.command;
  const one = answer.story.requests[0]!;
  const { server, uri } = one.r;
  const vhost = server.hostname;
  if (form === "json") {
    const at = server.file === "" ? null : `${server.file}:${server.line}`;
    const list = (body: readonly Directive[]): unknown[] =>
      body.map((d) => ({
        directive: httpdName(d.name, find),
        arguments: d.named?.map(({ key, value }) => `${key}=${value}`).join(" ") ?? d.args,
        at: `${d.file}:${d.line}`,
        ...(d.body === undefined ? {} : { directives: list(d.body) }),
      }));
    return JSON.stringify({ vhost, at, uri, url: one.url, directives: list(tree) }, null, 2);
  }
  const heading = `# ${uri} of ${vhost}${one.url === "" ? "" : `: ${one.url}`}`;
  const { numbered, comments } = numberedTree(tree);
  const text = form === "yaml" ? toYaml(numbered, find, comments) : toHttpd(numbered, find, comments);
  return `${heading}\n${text.trimEnd()}`;
}

/** One file of it: lines that count up, and above each directive where it is written. */
function numberedTree(tree: readonly Directive[]): { numbered: Directive[]; comments: Comment[] } {
  const comments: Comment[] = [];
  let line = 0;
  const number = (body: readonly Directive[]): Directive[] =>
    body.map((d) => {
      comments.push({ line: ++line, text: `# ${d.file}:${d.line}` } as Comment);
      const own = ++line;
      return { ...d, line: own, ...(d.body === undefined ? {} : { body: number(d.body) }) };
    });
  return { numbered: number(tree), comments };
}
