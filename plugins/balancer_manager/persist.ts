/**
 * BalancerPersist: what was changed while the server ran, in a file of the runtime directory, one for each server. What is in
 * it outranks the configuration of the balancers and members that it names, as in httpd; members that were added come back.
 * A member that the configuration no longer names does not.
 */
import { z } from "zod";
import {
  type BalancerState,
  balancerRefusal,
  balancersOfServer,
  changeBalancer,
  changeMember,
  IN_ERROR,
  type ProxyBalancer,
  ProxyWorker,
  parseWorkerUrl,
  type ServerRec,
  serverState,
} from "../../modules/mod.ts";
import { balancerSettingsSchema, memberSettingsSchema } from "./settings_schema.ts";

const LOG = "proxy_balancer";

const savedMember = z.object({
  url: z.string(),
  added: z.boolean(),
  settings: memberSettingsSchema,
  inError: z.boolean(),
  errorTimeMs: z.number(),
  elected: z.number(),
  lbstatus: z.number(),
  transferred: z.number(),
  read: z.number(),
  retries: z.number(),
});
const savedBalancer = z.object({
  name: z.string(),
  nonce: z.string(),
  settings: balancerSettingsSchema,
  members: z.array(savedMember),
});
const savedState = z.object({ version: z.literal(1), balancers: z.array(savedBalancer) });
const savedFile = z.object({ sha1: z.string(), state: z.unknown() });

type SavedMember = z.output<typeof savedMember>;
type SavedBalancer = z.output<typeof savedBalancer>;

/** Writes the state of a server's balancers. */
export function save(server: ServerRec): void {
  const { writer } = server.process.host;
  if (writer === null) return;
  const nonces = new Map(balancersOfServer(server).map(({ name, nonce }) => [name, nonce]));
  const state = {
    version: 1,
    balancers: serverState(server).map((balancer) => toSave(balancer, nonces.get(balancer.name) ?? "")),
  };
  const path = fileOf(server);
  try {
    writer.write(path, `${JSON.stringify({ sha1: digest(server, state), state })}\n`);
  } catch (error) {
    server.log.error(LOG, "", `cannot write ${path}: ${(error as Error).message}`);
  }
}

function toSave({ name, settings, members }: BalancerState, nonce: string): SavedBalancer {
  return {
    name,
    nonce,
    settings,
    members: members.map((member) => ({
      url: member.url,
      added: member.added,
      settings: member.settings,
      inError: member.observed.error !== null,
      errorTimeMs: member.errorTimeMs,
      elected: member.elected,
      lbstatus: member.lbstatus,
      transferred: member.transferred,
      read: member.read,
      retries: member.retries,
    })),
  };
}

/** Puts the balancers of a server into the state that was saved, if there is one. A file that is damaged is set aside. */
export function restore(server: ServerRec): void {
  const { files, writer } = server.process.host;
  const path = fileOf(server);
  if (files === null || files.stat(path, true) === null) return;
  let state: z.output<typeof savedState>;
  try {
    const file = savedFile.parse(JSON.parse(files.read(path)));
    if (file.sha1 !== digest(server, file.state)) throw new Error("the digest is wrong");
    state = savedState.parse(file.state);
  } catch (error) {
    const aside = `${path}.damaged`;
    server.log.error(LOG, "", `${path} is damaged and was set aside as ${aside}: ${firstLine(error)}`);
    try {
      writer?.rename(path, aside);
    } catch (failure) {
      server.log.error(LOG, "", `cannot rename ${path}: ${(failure as Error).message}`);
    }
    return;
  }
  const balancers = new Map(balancersOfServer(server).map((balancer) => [balancer.name, balancer]));
  for (const saved of state.balancers) {
    const balancer = balancers.get(saved.name);
    if (balancer !== undefined) restoreBalancer(server, balancer, saved);
  }
}

function restoreBalancer(server: ServerRec, balancer: ProxyBalancer, saved: SavedBalancer): void {
  // What children share is put back by the first.
  const first = server.process.siblings.index <= 0;
  const refused = balancerRefusal(balancer, saved.settings, server.process.providers);
  if (refused === null) changeBalancer(balancer, saved.settings, server, first);
  else server.log.warn(LOG, "", `${balancer.name}: its saved settings are not used: ${refused}`);
  if (balancer.params.nonce === undefined && saved.nonce !== "") balancer.nonce = saved.nonce;
  for (const member of saved.members) if (member.added) addAgain(server, balancer, member, first);
  // The settings of all first: a load factor sets every lbstatus.
  const known = new Map(balancer.members.map((member) => [member.displayName, member]));
  for (const { url, settings } of saved.members) {
    const member = known.get(url);
    if (member !== undefined) changeMember(balancer, member, settings, server, first);
  }
  if (!first) return;
  for (const { url, inError, settings: _, added: __, ...counters } of saved.members) {
    const member = known.get(url);
    if (member === undefined) continue;
    Object.assign(member.s, counters);
    if (inError) member.setStatus(IN_ERROR);
  }
}

function addAgain(server: ServerRec, balancer: ProxyBalancer, { url }: SavedMember, first: boolean): void {
  if (balancer.members.some(({ displayName }) => displayName === url)) return;
  const parsed = parseWorkerUrl(url, server.process.runtimeDir);
  const error = typeof parsed === "string" ? parsed : balancer.add(new ProxyWorker(parsed, "member"), first);
  if (error !== null) server.log.warn(LOG, "", `${balancer.name}: ${url}, added before the restart, is gone: ${error}`);
}

/** By the server's first address and its name: who changes these begins anew, as with httpd. */
function fileOf({ addrs, hostname, port, process }: ServerRec): string {
  const first = addrs[0];
  const key = `${first?.host ?? ""}:${first?.port ?? 0} ${hostname}:${port}`;
  return `${process.runtimeDir}/balancers-${process.host.digest("sha1", key).slice(0, 12)}.json`;
}

function digest({ process }: ServerRec, state: unknown): string {
  return process.host.digest("sha1", JSON.stringify(state));
}

function firstLine(error: unknown): string {
  return error instanceof z.ZodError
    ? error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ")
    : (error as Error).message;
}
