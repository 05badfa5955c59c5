/**
 * mod_unixd: User and Group. A server that root started gives up its rights once its ports are open.
 * Source: httpd modules/arch/unix/mod_unixd.c
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import type { CommandContext } from "../core/command.ts";
import { defineModule, getModuleConfig } from "../core/module.ts";
import type { ProcessRec } from "../core/records.ts";
import * as z from "../core/schema.ts";

/** httpd's parent stays root; this is one process. */
const WHOLE = {
  differs: "the whole process gives root up once its ports are open: a reload has the rights of this user",
};

const unixd = defineModule({
  name: "mod_unixd",
  config: z.object({
    user: z.string().default(""),
    uid: z.number().default(-1),
    group: z.string().default(""),
    gid: z.number().default(-1),
  }),
  commands: ({ take1, flag }) => [
    take1("User", "global", setUser, "Effective user id for this server", WHOLE),
    take1("Group", "global", setGroup, "Effective group id for this server", WHOLE),
    flag("Suexec", "global", suexec, "Enable or disable suEXEC support"),
  ],
});
export default unixd;

function setUser(cmd: CommandContext, name: string): string | undefined {
  const uid = idOf("/etc/passwd", name);
  if (uid === null) return `bad user name ${name}`;
  if (uid === 0) return "User: sluice does not serve requests as root; name another user, or leave the directive out";
  cmd.set("user", name);
  cmd.set("uid", uid);
  return undefined;
}

function setGroup(cmd: CommandContext, name: string): string | undefined {
  const gid = idOf("/etc/group", name);
  if (gid === null) return `bad group name ${name}`;
  cmd.set("group", name);
  cmd.set("gid", gid);
  return undefined;
}

function suexec(_cmd: CommandContext, on: boolean): string | undefined {
  return on ? "suEXEC isn't supported: sluice runs no CGI programs" : undefined;
}

/** The number of "#33", or that of a name by the third field of its line; null: there is none. */
function idOf(file: string, name: string): number | null {
  if (/^#\d+$/.test(name)) return Number(name.slice(1));
  let lines: string[];
  try {
    lines = readFileSync(file, "utf8").split("\n");
  } catch {
    return null; // a system without such files
  }
  const id = lines.find((line) => line.startsWith(`${name}:`))?.split(":")[2];
  return id === undefined ? null : Number(id);
}

/** The lines of -S. */
export function describeUser(generation: ProcessRec): string[] {
  const { user, uid, group, gid } = getModuleConfig(generation.servers[0]!.config, unixd) ?? {};
  const unused = process.geteuid?.() === 0 ? "" : " not_used";
  const lines: string[] = [];
  if (uid !== undefined && uid >= 0) lines.push(`User: name="${user}" id=${uid}${unused}`);
  if (gid !== undefined && gid >= 0) lines.push(`Group: name="${group}" id=${gid}${unused}`);
  return lines;
}

/** Whether this program is root's, and a configuration takes that from it. */
export function dropsPrivileges(generation: ProcessRec): boolean {
  const { uid } = getModuleConfig(generation.servers[0]!.config, unixd) ?? {};
  return uid !== undefined && uid >= 0 && process.geteuid?.() === 0;
}

/**
 * Becomes User and Group for good, groups first: afterwards there is no right to change them. Nothing happens to a server
 * that is not root's, as in httpd.
 * @throws Error of the system
 */
export function dropPrivileges(generation: ProcessRec): void {
  if (!dropsPrivileges(generation)) return;
  const { user, uid, gid } = getModuleConfig(generation.servers[0]!.config, unixd);
  if (gid >= 0) {
    process.setgid!(gid);
    const { initgroups } = process as { initgroups?: (user: string | number, gid: number) => void };
    // Deno 2.9.5 has it not; its process keeps the further groups that it was started with.
    if (initgroups === undefined) warnAboutGroups(generation);
    else initgroups(user.startsWith("#") ? uid : user, gid);
  }
  process.setuid!(uid);
  generation.log.notice("unixd", "", `now runs as user ${user} (${uid}), group ${process.getgid!()}`);
}

function warnAboutGroups(generation: ProcessRec): void {
  const others = (process.getgroups?.() ?? []).filter((group) => group !== process.getgid!());
  if (others.length > 0)
    generation.log.warn(
      "unixd",
      "",
      `this runtime cannot leave the groups ${others.join(", ")}: start it without them`,
    );
}
