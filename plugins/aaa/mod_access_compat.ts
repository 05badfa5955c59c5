/**
 * mod_access_compat: Order, Allow, Deny and Satisfy of httpd 2.2.
 * Source: httpd modules/aaa/mod_access_compat.c
 */
import {
  accessChecker,
  type CommandContext,
  DECLINED,
  defineModule,
  getModuleConfig,
  getRemoteHost,
  inDomain,
  ipSubnetMessage,
  type MethodTest,
  OK,
  parseIpSubnet,
  type RequestRec,
  restrictsAccess,
  type Status,
  satisfyAny,
  z,
} from "../../modules/mod.ts";

/** Does a line cover the request? `host`: it takes the client's name to say. */
type Match = { readonly host: string } | ((r: RequestRec) => boolean);

/** What a line says, and about which methods; null: all. */
interface Line<T> {
  readonly says: T;
  readonly limited: MethodTest | null;
}

type Order = "deny,allow" | "allow,deny" | "mutual-failure";

/**
 * All that a scope says. It replaces what the outer ones say, as httpd's does, even where it says less. The last `order` and
 * the last `satisfy` about a method count.
 */
interface Access {
  readonly orders: Line<Order>[];
  readonly allows: Line<Match>[];
  readonly denies: Line<Match>[];
  readonly satisfyAny: Line<boolean>[];
}

const FROM = "'from' followed by hostnames or IP-address wildcards";

const accessCompat = defineModule({
  name: "mod_access_compat",
  config: z.object({ access: z.custom<Access>().optional() }),
  commands: ({ iterate2, take1 }) => [
    take1("order", "dir", setOrder, "'allow,deny', 'deny,allow', or 'mutual-failure'"),
    iterate2("allow", "dir", (cmd, from, where) => addMatch(cmd, from, where, "allows"), FROM),
    iterate2("deny", "dir", (cmd, from, where) => addMatch(cmd, from, where, "denies"), FROM),
    take1("Satisfy", "dir", setSatisfy, "access policy if both allow and require used ('all' or 'any')"),
  ],
  registerHooks({ hook }) {
    hook(restrictsAccess, (r) => (accessOf(r) === undefined ? DECLINED : OK));
    hook(satisfyAny, (r) => (lastAbout(accessOf(r)?.satisfyAny, r) ? OK : DECLINED), {
      directivesOf: ["mod_access_compat"],
    });
    hook(accessChecker, checkAddress, { directivesOf: ["mod_access_compat"] });
  },
});
export default accessCompat;

function scopeOf(cmd: CommandContext): Access {
  const known = cmd.raw.access as Access | undefined;
  if (known !== undefined) return known;
  const access: Access = { orders: [], allows: [], denies: [], satisfyAny: [] };
  cmd.set("access", access);
  return access;
}

function setOrder(cmd: CommandContext, arg: string): string | undefined {
  const order = arg.toLowerCase();
  if (order !== "allow,deny" && order !== "deny,allow" && order !== "mutual-failure") return "unknown order";
  scopeOf(cmd).orders.push({ says: order, limited: cmd.limited });
  return undefined;
}

function setSatisfy(cmd: CommandContext, arg: string): string | undefined {
  const word = arg.toLowerCase();
  if (word !== "all" && word !== "any") return "Satisfy either 'any' or 'all'.";
  scopeOf(cmd).satisfyAny.push({ says: word === "any", limited: cmd.limited });
  return undefined;
}

function addMatch(cmd: CommandContext, from: string, where: string, list: "allows" | "denies"): string | undefined {
  if (from.toLowerCase() !== "from") return "allow and deny must be followed by 'from'";
  const match = parseMatch(where);
  if (typeof match === "string") return match;
  scopeOf(cmd)[list].push({ says: match, limited: cmd.limited });
  return undefined;
}

function parseMatch(where: string): Match | string {
  const env = /^env=(!?)(.*)$/is.exec(where);
  if (env !== null) {
    const [, not, name] = env;
    return (r) => (r.getEnv(name!) !== undefined) !== (not === "!");
  }
  if (where.toLowerCase() === "all") return () => true;
  const subnet = parseIpSubnet(where);
  if (typeof subnet !== "string") return (r) => subnet.has(r.useragentIp);
  if (subnet !== "no address") return ipSubnetMessage(subnet);
  if (where.includes("/")) return "An IP address was expected";
  if (where.includes("#")) return "No comments are allowed here";
  return { host: where };
}

function accessOf(r: RequestRec): Access | undefined {
  return getModuleConfig(r.perDirConfig, accessCompat).access;
}

function isAbout({ limited }: Line<unknown>, r: RequestRec): boolean {
  return limited === null || limited(r.method);
}

function lastAbout<T>(lines: readonly Line<T>[] | undefined, r: RequestRec): T | undefined {
  return lines?.findLast((line) => isAbout(line, r))?.says;
}

function orderOf(access: Access, r: RequestRec): Order {
  return lastAbout(access.orders, r) ?? "deny,allow";
}

/** access_checker. The client's name is asked for only if it can change the answer. */
function checkAddress(r: RequestRec): Status | Promise<Status> {
  const access = accessOf(r);
  if (access === undefined) return DECLINED;
  const settled = matches(orderOf(access, r) === "deny,allow" ? access.allows : access.denies, r, null);
  const named = (line: Line<Match>) => typeof line.says !== "function" && isAbout(line, r);
  if (settled || !(access.allows.some(named) || access.denies.some(named))) return verdict(r, access, null);
  return getRemoteHost(r).then((name) => verdict(r, access, name));
}

function matches(lines: readonly Line<Match>[], r: RequestRec, name: string | null): boolean {
  return lines.some((line) => {
    if (!isAbout(line, r)) return false;
    return typeof line.says === "function" ? line.says(r) : name !== null && inDomain(line.says.host, name);
  });
}

function verdict(r: RequestRec, access: Access, name: string | null): Status {
  const allowed = matches(access.allows, r, name);
  const denied = matches(access.denies, r, name);
  const granted = orderOf(access, r) === "deny,allow" ? allowed || !denied : allowed && !denied;
  if (granted) return OK;
  const what = r.filename === "" ? `uri ${r.uri}` : r.filename;
  r.log.error("access_compat", "AH01797", `client denied by server configuration: ${what}`, r);
  return 403;
}
