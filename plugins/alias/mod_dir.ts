/**
 * mod_dir: what a request for a folder, or for nothing, is answered with. sluice has no folders but the root, which it takes to
 * be there, and no files: what an index or a fallback names can only be a backend's.
 * Source: httpd modules/mappers/mod_dir.c
 */
import {
  type CommandContext,
  DECLINED,
  defineModule,
  fixups,
  getModuleConfig,
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
    /** DirectoryCheckHandler. */
    checkHandler: z.boolean().default(false),
  }),
  commands: ({ flag, iterate, take1 }) => [
    take1("FallbackResource", "any", setFallback, "Set a default handler"),
    iterate("DirectoryIndex", "any", addIndex, "a list of file names"),
    take1("DirectoryIndexRedirect", "any", setIndexRedirect, "On, Off, or a 3xx status code"),
    flag("DirectorySlash", "any", withoutEffect, "On or Off", NO_FILES),
    flag("DirectoryCheckHandler", "any", setCheckHandler, "On or Off"),
  ],
  registerHooks({ hook }) {
    hook(fixups, markRoot, { rank: "first", before: ["mod_rewrite"], directivesOf: ["mod_rewrite"] });
    hook(fixups, serveOther, { rank: "last", before: ["mod_headers"] });
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

function setCheckHandler(cmd: CommandContext, on: boolean): void {
  cmd.set("checkHandler", on);
}

function withoutEffect(): void {}

/** Set for a request for the root that nothing has mapped up to the fixups: in httpd it is one for a folder. */
const ROOT = "mod_dir:root";

function markRoot(r: RequestRec): Status {
  if (r.uri === "/" && r.proxyreq === "none") r.setNote(ROOT, "1");
  return DECLINED;
}

/**
 * What nobody serves; and the root, if it is a RewriteRule [P] of a section that serves it: an index comes first. RequestHeader is
 * for what comes of it.
 */
function serveOther(r: RequestRec): Status | Promise<Status> {
  if (r.handler !== "" && (r.uri !== "/" || r.getNote(ROOT) === undefined)) return DECLINED;
  if (r.main !== null) return DECLINED;
  const { index, fallback, checkHandler } = getModuleConfig(r.perDirConfig, dir);
  if (r.uri !== "/" || index.length === 0) return r.handler === "" ? serveFallback(r, fallback) : DECLINED;
  if (r.handler !== "" && (checkHandler || r.proxyreq === "none")) return DECLINED;
  const answer = findIndex(r, index, 0, 404);
  return typeof answer === "number" ? indexFound(r, answer) : answer.then((status) => indexFound(r, status));
}

function indexFound(r: RequestRec, status: Status): Status | Promise<Status> {
  if (status !== DECLINED || r.handler !== "") return status;
  return serveFallback(r, getModuleConfig(r.perDirConfig, dir).fallback);
}

/**
 * The first of the names that is somebody's: OK, and `r` is a request for it. DECLINED: none is there.
 * @param error of those before; 404: none
 */
function findIndex(r: RequestRec, names: readonly string[], at: number, error: Status): Status | Promise<Status> {
  const answer = takeOver(r, withArgs(r, names[at]!), fallBack);
  if (typeof answer !== "number") return answer.then((status) => indexTried(r, names, at, error, status));
  return indexTried(r, names, at, error, answer);
}

function indexTried(
  r: RequestRec,
  names: readonly string[],
  at: number,
  error: Status,
  status: Status,
): Status | Promise<Status> {
  const { indexRedirect } = getModuleConfig(r.perDirConfig, dir);
  if (status === OK) return indexRedirect === 0 ? OK : redirectTo(r, indexRedirect);
  const last = at === names.length - 1;
  if ((status >= 300 && status < 400) || (last && (status === 401 || status === 406))) return status;
  const worst = status === 404 ? error : status;
  if (!last) return findIndex(r, names, at + 1, worst);
  return worst === 404 ? DECLINED : worst;
}

function redirectTo(r: RequestRec, status: Status): Status {
  r.headersOut.set("Location", serverOrigin(r) + r.encodedUri);
  return status;
}

/** What nobody serves is served as the fallback. */
function serveFallback(r: RequestRec, fallback: string): Status | Promise<Status> {
  if (fallback === "" || r.uri === fallback) return DECLINED;
  const answer = takeOver(r, withArgs(r, fallback), fallBack);
  return typeof answer === "number" ? notFound(answer) : answer.then(notFound);
}

/** 404 is nothing to say. */
function notFound(status: Status): Status {
  return status === 404 ? DECLINED : status;
}

/** A fallback that nobody serves may have one of its own. */
function fallBack(sub: RequestRec): Status | Promise<Status> {
  const { fallback } = getModuleConfig(sub.perDirConfig, dir);
  if (fallback === "" || sub.uri === fallback) return 404;
  return takeOver(sub, withArgs(sub, fallback), fallBack);
}

function withArgs(r: RequestRec, path: string): string {
  return r.args === null ? path : `${path}?${r.args}`;
}
