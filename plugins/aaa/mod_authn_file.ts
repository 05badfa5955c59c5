/**
 * mod_authn_file: AuthUserFile, lines of "user:hash".
 * Source: httpd modules/aaa/mod_authn_file.c
 */
import {
  type AuthnStatus,
  authn,
  type Clock,
  type CommandContext,
  defineModule,
  describeFileError,
  getModuleConfig,
  type RequestRec,
  z,
} from "../../modules/mod.ts";
import { PasswordVerifier } from "./password.ts";
import { watchedFiles } from "./watched_files.ts";

const authnFile = defineModule({
  name: "mod_authn_file",
  config: z.object({ userFile: z.string().default("") }),
  needs: ["files", "timers"],
  commands: ({ take1 }) => [
    take1("AuthUserFile", "dir", setUserFile, "text file containing user IDs and passwords", {
      differs: "no DES crypt and no yescrypt; a password that was right is known for a minute",
    }),
  ],
  registerHooks({ provider }) {
    provider(authn, "file", { checkPassword });
  },
});
export default authnFile;

/** User → hash; the first line of a user counts. */
const userFiles = watchedFiles((text) => {
  const users = new Map<string, string>();
  for (const line of text.split("\n").map((raw) => raw.trim())) {
    if (line === "" || line.startsWith("#")) continue;
    const [user = "", hash = ""] = line.split(":");
    if (!users.has(user)) users.set(user, hash);
  }
  return users;
});

const verifiers = new WeakMap<Clock, PasswordVerifier>();

function verifierOf(clock: Clock): PasswordVerifier {
  const known = verifiers.get(clock) ?? new PasswordVerifier(clock);
  verifiers.set(clock, known);
  return known;
}

function setUserFile(cmd: CommandContext, path: string): void {
  cmd.set("userFile", cmd.resolvePath(path));
}

async function checkPassword(r: RequestRec, user: string, password: string): Promise<AuthnStatus> {
  const { userFile } = getModuleConfig(r.perDirConfig, authnFile);
  const { log, process } = r.server;
  if (userFile === "") {
    log.error("authn_file", "AH01619", "AuthUserFile not specified in the configuration", r);
    return "error";
  }
  let users: ReadonlyMap<string, string>;
  try {
    users = userFiles(userFile).current(process.host.files);
  } catch (error) {
    const about = { ...r, error: describeFileError(error) };
    log.error("authn_file", "AH01620", `Could not open password file: ${userFile}`, about);
    return "error";
  }
  const hash = users.get(user);
  if (hash === undefined) return "notFound";
  const verdict = await verifierOf(process.clock).verify(password, hash);
  if (verdict === "unknown") log.error("authn_file", "", `user ${user}: ${whyUnknown(hash)} in ${userFile}`, r);
  return verdict === "right" ? "granted" : "denied";
}

/** Names the kind of a hash that is not supported; never says what it is. */
function whyUnknown(hash: string): string {
  if (/^\$(y|7|gy)\$/.test(hash)) return "yescrypt and scrypt hashes are not supported: make one by htpasswd -B";
  if (/^[./0-9A-Za-z]{13}$/.test(hash)) return "DES crypt hashes are not supported: make one by htpasswd -B";
  return "plain text, or a hash of a kind that is not supported: make one by htpasswd -B";
}
