/**
 * mod_dir: what a request for a folder, or for nothing, is answered with. sluice has no folders but the root, which it takes to
 * be there, and no files: what an index or a fallback names can only be a backend's.
 * Source: httpd modules/mappers/mod_dir.c
 */
import {
  type CommandContext,
  DECLINED,
  defineModule,
  getModuleConfig,
  handler,
  OK,
  type RequestRec,
  type Status,
  serverOrigin,
  takeOver,
  z,
} from "../../modules/mod.ts";

const NO_FILES = { noEffect: "about files, of which sluice serves none" };

const dir = defineModule({
  name: "mod_dir",
  config: z.object({
    /** FallbackResource: a path; "": none. */
    fallback: z.string().default(""),
    /** DirectoryIndex. */
    index: z.array(z.string()).default(["index.html"]),
    /** DirectoryIndexRedirect: the status; 0: the index is served. */
    indexRedirect: z.number().default(0),
  }),
  commands: ({ flag, iterate, take1 }) => [
    take1("FallbackResource", "any", setFallback, "Set a default handler"),
    iterate("DirectoryIndex", "any", addIndex, "a list of file names"),
    take1("DirectoryIndexRedirect", "any", setIndexRedirect, "On, Off, or a 3xx status code"),
    flag("DirectorySlash", "any", withoutEffect, "On or Off", NO_FILES),
    flag("DirectoryCheckHandler", "any", withoutEffect, "On or Off", NO_FILES),
  ],
  registerHooks({ hook }) {
    hook(handler, serveOther, { rank: "last" });
  },
});
export default dir;

function setFallback(cmd: CommandContext, path: string): void {
  cmd.set("fallback", path.toLowerCase() === "disabled" ? "" : path);
}

function addIndex(cmd: CommandContext, name: string): void {
  if (name.toLowerCase() === "disabled") cmd.set("index", []);
  else cmd.push("index", name);
}

const REDIRECTS: Readonly<Record<string, number>> = { on: 302, off: 0, temp: 302, permanent: 301, seeother: 303 };

function setIndexRedirect(cmd: CommandContext, arg: string): string | undefined {
  const status = REDIRECTS[arg.toLowerCase()] ?? (/^3\d\d$/.test(arg) ? Number(arg) : -1);
  if (status < 0) return "DirectoryIndexRedirect only accepts values between 300 and 399";
  cmd.set("indexRedirect", status);
  return undefined;
}

function withoutEffect(): void {}

/** What nobody serves. */
function serveOther(r: RequestRec): Status | Promise<Status> {
  const { fallback, index } = getModuleConfig(r.perDirConfig, dir);
  if (r.handler !== "" || r.main !== null) return DECLINED;
  if (r.uri === "/" && index.length > 0) return serveIndex(r, index, 0, 404);
  return serveFallback(r, fallback);
}

/** The first of the names that is somebody's. @param error of those before; 404: none */
function serveIndex(r: RequestRec, names: readonly string[], at: number, error: Status): Status | Promise<Status> {
  const { indexRedirect, fallback } = getModuleConfig(r.perDirConfig, dir);
  const answer = takeOver(r, withArgs(r, names[at]!));
  if (typeof answer !== "number") return answer.then((status) => tried(status));
  return tried(answer);

  function tried(status: Status): Status | Promise<Status> {
    if (status === OK) return indexRedirect === 0 ? serve(r) : redirectTo(r, indexRedirect);
    const last = at === names.length - 1;
    if ((status >= 300 && status < 400) || (last && (status === 401 || status === 406))) return status;
    const worst = status === 404 ? error : status;
    if (!last) return serveIndex(r, names, at + 1, worst);
    return worst === 404 ? serveFallback(r, fallback) : worst;
  }
}

function redirectTo(r: RequestRec, status: Status): Status {
  r.headersOut.set("Location", serverOrigin(r) + r.encodedUri);
  return status;
}

/** What nobody serves is served as the fallback. */
function serveFallback(r: RequestRec, fallback: string): Status | Promise<Status> {
  if (fallback === "" || r.uri === fallback) return DECLINED;
  const answer = takeOver(r, withArgs(r, fallback), fallBack);
  return typeof answer === "number" ? fellBack(r, answer) : answer.then((status) => fellBack(r, status));
}

function fellBack(r: RequestRec, status: Status): Status | Promise<Status> {
  if (status === OK) return serve(r);
  return status === 404 ? DECLINED : status;
}

/** A fallback that nobody serves may have one of its own. */
function fallBack(sub: RequestRec): Status | Promise<Status> {
  const { fallback } = getModuleConfig(sub.perDirConfig, dir);
  if (fallback === "" || sub.uri === fallback) return 404;
  return takeOver(sub, withArgs(sub, fallback), fallBack);
}

/** By who serves what `r` became. */
function serve(r: RequestRec): Status | Promise<Status> {
  return handler.run(r.server.process.hooks, r);
}

function withArgs(r: RequestRec, path: string): string {
  return r.args === null ? path : `${path}?${r.args}`;
}
