/**
 * mod_sticky_cookie: sessions by a cookie of the balancer's own, `stickycookie=NAME`, for backends that issue none.
 *
 * Its value stands for a route and says nothing of it: the HMAC of the balancer's name and the route. Whoever has not the
 * key cannot make one, and a value that no member has is no session at all. Since it depends on nothing else, the values
 * of all members are computed once, and hosts with the same keys understand each other's cookies.
 */
import {
  byteString,
  COOKIE,
  type CommandContext,
  checkConfig,
  defineModule,
  getModuleConfig,
  getProxyServerState,
  type Host,
  insertFilter,
  type ProcessRec,
  type ProxyBalancer,
  type ProxyWorker,
  postConfig,
  type RequestRec,
  type SessionRoute,
  sticky,
  z,
} from "../../modules/mod.ts";

/** A key with less than this is told from a random one by trying. */
const SHORT_KEY = 16;
/** Bytes of the HMAC that are sent: as hard to hit as a random UUID, twice over. */
const VALUE_BYTES = 24;
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** What a generation knows of its keys. */
interface Keys {
  /** The first one makes the values that are issued; all are understood. */
  readonly keys: readonly string[];
  /** The configuration names none. */
  readonly isRandom: boolean;
  readonly values: WeakMap<ProxyWorker, Values>;
}

/** The values of a member, one for each key, and the route that they stand for. */
interface Values {
  readonly route: string;
  readonly all: readonly string[];
}

const stickyCookie = defineModule({
  name: "mod_sticky_cookie",
  config: z.object({
    /** StickyCookieKey. */
    keys: z.array(z.string()).default([]),
  }),
  append: ["keys"],
  commands: ({ iterate }) => [
    iterate(
      "StickyCookieKey",
      "global",
      addKey,
      "the secret that signs the cookies of stickycookie, or file:PATH; more of them are understood, too",
    ),
  ],
  registerHooks(hooks) {
    hooks.provider(sticky, "cookie", { findRoute, elected });
    hooks.hook(checkConfig, nameRoutes, { after: ["mod_proxy"] });
    hooks.hook(postConfig, makeKeys, { after: ["mod_proxy"] });
    hooks.hook(insertFilter, issueCookie);
  },
});
export default stickyCookie;

function addKey(cmd: CommandContext, word: string): string | undefined {
  let key = byteString(word);
  if (word.startsWith("file:")) {
    const path = cmd.resolvePath(word.slice(5));
    if (cmd.host.files === null) return `StickyCookieKey: this host has no files, such as ${path}`;
    try {
      key = cmd.host.files.read(path).trim();
    } catch (error) {
      return `StickyCookieKey: cannot read ${path}: ${(error as Error).message}`;
    }
  }
  if (key === "") return "StickyCookieKey: the key is empty";
  if (key.length < SHORT_KEY) {
    cmd.warn("", `StickyCookieKey: a key of less than ${SHORT_KEY} characters can be found by trying`);
  }
  cmd.push("keys", key);
  return undefined;
}

/** Members need routes to be told apart: one without gets a name that is the same on every host. */
function nameRoutes(process: ProcessRec): void {
  for (const balancer of cookieBalancers(process)) {
    for (const member of balancer.members) if (member.route === "") member.route = routeOf(process.host, member);
  }
}

function routeOf(host: Host, member: ProxyWorker): string {
  return encode(host.hmacSha256("", member.name), 6);
}

function* cookieBalancers(process: ProcessRec): Generator<ProxyBalancer> {
  for (const server of process.servers) {
    for (const balancer of getProxyServerState(server)?.balancers.values() ?? []) {
      if (balancer.params.stickyCookie !== null) yield balancer;
    }
  }
}

/** Nobody knows it, but all children do. */
function ownKey({ host, siblings }: ProcessRec): Uint8Array {
  return host.hmacSha256(String.fromCharCode(...siblings.secret), "stickycookie");
}

/** A random key is kept over reloads. */
function makeKeys(process: ProcessRec, previous: ProcessRec | null): void {
  if (cookieBalancers(process).next().done) return;
  const main = process.servers[0]!;
  const configured = getModuleConfig(main.config, stickyCookie).keys;
  const before = previous?.servers[0]?.state[stickyCookie.index] as Keys | undefined;
  let keys: readonly string[] = configured;
  if (configured.length === 0) {
    keys = before?.isRandom ? before.keys : [String.fromCharCode(...ownKey(process))];
    process.log.warn(
      "sticky_cookie",
      "",
      "no StickyCookieKey: the key of stickycookie is random, so that sessions move at each restart, and other hosts do not know them",
    );
  }
  const state: Keys = { keys, isRandom: configured.length === 0, values: new WeakMap() };
  main.state[stickyCookie.index] = state;
}

// ---- a request

/** What the election found and chose. */
interface Session {
  /** The value that the client sent, if it is one of ours. */
  sent: string | null;
  /** What the response must set; null: the client has it already. */
  cookie: string | null;
}

function findRoute(balancer: ProxyBalancer, r: RequestRec): SessionRoute | null {
  const { name } = balancer.params.stickyCookie!;
  const { headersIn } = r;
  for (let i = headersIn.indexOfId(COOKIE); i >= 0; i = headersIn.indexOfId(COOKIE, i + 1)) {
    for (const pair of headersIn.valueAt(i).split(/[;,]/)) {
      const equals = pair.indexOf("=");
      if (equals < 0 || pair.slice(0, equals).trim() !== name) continue;
      const sent = pair.slice(equals + 1).trim();
      for (const member of balancer.members) {
        const { route, all } = valuesOf(balancer, r, member);
        if (!all.includes(sent)) continue;
        r.setState(stickyCookie, { sent, cookie: null } satisfies Session);
        return { route, name };
      }
    }
  }
  r.setState(stickyCookie, { sent: null, cookie: null } satisfies Session);
  return null;
}

/** A route that changed gives a new cookie, and so does one that was signed with a key that is not the first. */
function elected(balancer: ProxyBalancer, r: RequestRec, worker: ProxyWorker): void {
  const { name, attributes } = balancer.params.stickyCookie!;
  const session = r.getState<Session>(stickyCookie)!;
  const value = valuesOf(balancer, r, worker).all[0]!;
  session.cookie = session.sent === value ? null : `${name}=${value}${attributes}`;
}

function issueCookie(r: RequestRec): void {
  const session = r.getState<Session>(stickyCookie);
  if (session !== undefined && session.cookie !== null) r.headersOut.add("Set-Cookie", session.cookie);
}

/** Computed once for each member, and again if its route changes. */
function valuesOf(balancer: ProxyBalancer, r: RequestRec, member: ProxyWorker): Values {
  const process = r.server.process;
  const { keys, values } = process.servers[0]!.state[stickyCookie.index] as Keys;
  const known = values.get(member);
  if (known !== undefined && known.route === member.route) return known;
  const route = member.route || routeOf(process.host, member);
  member.route = route;
  const text = `${balancer.name}\0${route}`;
  const made = { route, all: keys.map((key) => encode(process.host.hmacSha256(key, text), VALUE_BYTES)) };
  values.set(member, made);
  return made;
}

/** The first bytes in base64 with the digits that cookies can have. @param length in bytes, a multiple of 3 */
function encode(bytes: Uint8Array, length: number): string {
  let text = "";
  for (let i = 0; i < length; i += 3) {
    const bits = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!;
    for (let shift = 18; shift >= 0; shift -= 6) text += DIGITS[(bits >> shift) & 63]!;
  }
  return text;
}
