/**
 * mod_authz_groupfile: Require group, by lines of "group: user user".
 * Source: httpd modules/aaa/mod_authz_groupfile.c
 */
import {
  type AuthzCheck,
  authz,
  type CommandContext,
  defineModule,
  describeFileError,
  getModuleConfig,
  type RequestRec,
  splitWords,
  z,
} from "../../modules/mod.ts";
import { parseWords } from "./require_words.ts";
import { watchedFiles } from "./watched_files.ts";

const authzGroupfile = defineModule({
  name: "mod_authz_groupfile",
  config: z.object({ groupFile: z.string().default("") }),
  needs: ["files"],
  commands: ({ take1 }) => [
    take1("AuthGroupFile", "dir", setGroupFile, "text file containing group names and member user IDs"),
  ],
  registerHooks({ provider }) {
    provider(authz, "group", { parse: parseGroup });
  },
});
export default authzGroupfile;

/** User → the groups that he is in. */
type Groups = ReadonlyMap<string, ReadonlySet<string>>;

const groupFiles = watchedFiles(readGroups);

function setGroupFile(cmd: CommandContext, path: string): void {
  cmd.set("groupFile", cmd.resolvePath(path));
}

function readGroups(text: string): Groups {
  const groups = new Map<string, Set<string>>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (line.startsWith("#") || colon < 0) continue;
    const group = line.slice(0, colon).trimEnd();
    for (const { text: user } of splitWords(line.slice(colon + 1), 1)) {
      const of = groups.get(user) ?? new Set();
      groups.set(user, of.add(group));
    }
  }
  return groups;
}

function parseGroup(args: string): AuthzCheck {
  const wanted = parseWords(args);
  return (r) => (r.user === null ? "deniedNoUser" : checkGroups(r, r.user, wanted(r)));
}

function checkGroups(r: RequestRec, user: string, wanted: readonly string[]): "granted" | "denied" {
  const { groupFile } = getModuleConfig(r.perDirConfig, authzGroupfile);
  const { log, process } = r.server;
  if (groupFile === "") {
    log.error("authz_groupfile", "AH01664", "No group file was specified in the configuration", r);
    return "denied";
  }
  let groups: Groups;
  try {
    groups = groupFiles(groupFile).current(process.host.files);
  } catch (error) {
    const about = { ...r, error: describeFileError(error) };
    log.error("authz_groupfile", "AH01665", `Could not open group file: ${groupFile}`, about);
    return "denied";
  }
  const own = groups.get(user);
  const failed = `Authorization of user ${user} to access ${r.uri} failed, reason: `;
  if (own === undefined) {
    const text = `${failed}user doesn't appear in group file (${groupFile}).`;
    log.info("authz_groupfile", "AH01666", text, r);
    return "denied";
  }
  if (wanted.some((group) => own.has(group))) return "granted";
  const text = `${failed}user is not part of the 'require'ed group(s).`;
  log.debug("authz_groupfile", "AH01667", text, r);
  return "denied";
}
