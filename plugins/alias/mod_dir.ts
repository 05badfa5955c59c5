/**
 * mod_dir: what a request for a folder, or for nothing, is answered with. sluice has no folders, so most of its directives hold
 * for no request; they are read, as those in <Directory> are, because every configuration of httpd has them.
 * Source: httpd modules/mappers/mod_dir.c
 */
import {
  type CommandContext,
  DECLINED,
  defineModule,
  fastRedirect,
  getModuleConfig,
  handler,
  type RequestRec,
  type Status,
  z,
} from "../../modules/mod.ts";

const NO_FILES = { noEffect: "about files, of which sluice serves none" };

const dir = defineModule({
  name: "mod_dir",
  config: z.object({
    /** FallbackResource: a path; "": none. */
    fallback: z.string().default(""),
  }),
  commands: ({ flag, raw, take1 }) => [
    take1("FallbackResource", "any", setFallback, "Set a default handler"),
    raw("DirectoryIndex", "any", withoutEffect, "a list of file names", NO_FILES),
    flag("DirectorySlash", "any", withoutEffect, "On or Off", NO_FILES),
    flag("DirectoryCheckHandler", "any", withoutEffect, "On or Off", NO_FILES),
  ],
  registerHooks({ hook }) {
    hook(handler, fallBack, { rank: "last" });
  },
});
export default dir;

function setFallback(cmd: CommandContext, path: string): void {
  cmd.set("fallback", path.toLowerCase() === "disabled" ? "" : path);
}

function withoutEffect(): void {}

/** What nobody serves is served as the fallback. */
function fallBack(r: RequestRec): Status | Promise<Status> {
  const { fallback } = getModuleConfig(r.perDirConfig, dir);
  if (fallback === "" || r.handler !== "" || r.uri === fallback) return DECLINED;
  return fastRedirect(r.args === null ? fallback : `${fallback}?${r.args}`, r);
}
