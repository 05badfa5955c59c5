/**
 * `sluice status|members|watch|drain|enable|disable|add|remove|recover`: the API of a running server on the command line.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import {
  type BalancerState,
  type MemberChange,
  type MemberState,
  type SluiceApi,
  SluiceApiError,
  sluiceApi,
} from "./client.ts";
import type { CommandName } from "./commands.ts";
import { membersText, statusText } from "./console_text.ts";
import { watch } from "./console_watch.ts";

/** As examples/manager.conf has it. */
const DEFAULT_API = "http://127.0.0.1:8080/api";

/** Exit codes: the API refuses; nobody answers; the credentials are not enough. Source: sysexits.h */
const REFUSED = 1;
const UNAVAILABLE = 69;
const NO_PERMISSION = 77;

const OPTIONS = {
  api: { type: "string" },
  token: { type: "string" },
  header: { type: "string", short: "H", multiple: true },
  json: { type: "boolean" },
  wait: { type: "boolean" },
  enabled: { type: "boolean" },
  route: { type: "string" },
  factor: { type: "string" },
} as const;
type Options = ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>>["values"];

/** What is wrong with what was asked, in a sentence. */
class Mistake extends Error {}

/** What a command is given. */
interface Call {
  readonly api: SluiceApi;
  readonly words: readonly string[];
  readonly options: Options;
}

interface Command {
  /** How many words may follow it. */
  readonly words: readonly [least: number, most: number];
  /** Its options besides those of all. */
  readonly options?: readonly (keyof Options)[];
  run(call: Call): Promise<void>;
}

const COMMANDS: Readonly<Record<CommandName, Command>> = {
  status: { words: [0, 1], run: async (call) => show(call, statusText) },
  members: { words: [0, 1], run: async (call) => show(call, membersText) },
  watch: {
    words: [0, 1],
    run: async ({ api, words, options }) => {
      if (words[0] !== undefined) await api.balancer(bare(words[0])); // a name that there is not is told at once
      await watch(api, words[0] === undefined ? null : bare(words[0]), options.json === true);
    },
  },
  drain: { words: [1, 2], options: ["wait"], run: drain },
  enable: { words: [1, 2], run: (call) => set(call, { disabled: false, draining: false, stopped: false }) },
  disable: { words: [1, 2], run: (call) => set(call, { disabled: true }) },
  add: { words: [2, 2], options: ["enabled", "route", "factor"], run: add },
  remove: { words: [1, 2], run: (call) => act(call, (api, at) => api.removeMember(at.balancer, at.member.id)) },
  recover: { words: [1, 2], run: (call) => act(call, (api, at) => api.recover(at.balancer, at.member.id)) },
};
const FOR_ALL: readonly (keyof Options)[] = ["api", "token", "header", "json"];

/** Null: the command line is wrong. */
export async function consoleCommand(name: CommandName, args: readonly string[]): Promise<number | null> {
  const command = COMMANDS[name];
  let words: string[];
  let options: Options;
  try {
    ({ positionals: words, values: options } = parseArgs({
      args: [...args],
      options: OPTIONS,
      allowPositionals: true,
    }));
  } catch (error) {
    console.error(`sluice: ${(error as Error).message}`);
    return null;
  }
  const [least, most] = command.words;
  const known = [...FOR_ALL, ...(command.options ?? [])];
  if (words.length < least || words.length > most) return null;
  if (Object.keys(options).some((option) => !known.includes(option as keyof Options))) return null;
  const address = options.api ?? process.env["SLUICE_API"] ?? DEFAULT_API;
  try {
    await command.run({ api: sluiceApi(locationOf(address), { headers: fieldsOf(address, options) }), words, options });
    return 0;
  } catch (error) {
    const [text, code] = failure(error, address);
    console.error(`sluice: ${text}`);
    return code;
  }
}

/** Without the user and the password that an address may have. */
function locationOf(address: string): string {
  if (!/^https?:\/\/[^/]/i.test(address)) throw new Mistake(`${address} is no address: http://HOST:PORT/LOCATION`);
  return address.replace(/^(https?:\/\/)[^/@]*@/i, "$1");
}

function fieldsOf(address: string, { token = process.env["SLUICE_TOKEN"], header = [] }: Options) {
  const fields: Record<string, string> = {};
  const login = /^https?:\/\/([^/@]*)@/i.exec(address)?.[1];
  if (login !== undefined) fields["Authorization"] = `Basic ${btoa(decodeURIComponent(login))}`;
  if (token !== undefined && token !== "") fields["Authorization"] = `Bearer ${token}`;
  for (const line of header) {
    const colon = line.indexOf(":");
    if (colon < 1) throw new Mistake(`-H "${line}" is no field: Name: value`);
    fields[line.slice(0, colon).trim()] = line.slice(colon + 1).trim();
  }
  return fields;
}

function failure(error: unknown, address: string): [text: string, code: number] {
  const shown = address.replace(/^(https?:\/\/)[^/@]*@/i, "$1");
  if (error instanceof Mistake) return [error.message, REFUSED];
  if (!(error instanceof SluiceApiError)) {
    const { cause, message, code } = error as { cause?: { code?: string }; message: string; code?: string };
    if (!(error instanceof TypeError) && code === undefined) throw error;
    // The runtimes say it at length, and each in its own way.
    const reason = (cause?.code ?? code ?? message).replace(/^ConnectionRefused$/, "ECONNREFUSED");
    return [`nothing answers at ${shown}: is the server running, and is --api its address? (${reason})`, UNAVAILABLE];
  }
  const { status, message } = error;
  if (status === 401)
    return [`${shown} asks who you are: --token, SLUICE_TOKEN, or http://USER:PASSWORD@HOST`, NO_PERMISSION];
  if (status === 403) return [`${shown} refuses: ${message.replace(/^status 403$/, "403")}`, NO_PERMISSION];
  if (status >= 500) return [`${shown} fails: ${message}`, UNAVAILABLE];
  return [status === 404 || status === 200 ? `${shown}: ${message}` : message, REFUSED];
}

async function show({ api, words, options }: Call, text: (balancers: readonly BalancerState[]) => string) {
  const one = words[0];
  const balancers = one === undefined ? (await api.state()).balancers : [await api.balancer(bare(one))];
  print(options, { balancers }, text(balancers));
}

async function set(call: Call, change: MemberChange): Promise<void> {
  const { balancer, member } = await find(call);
  await call.api.setMember(balancer, member.id, change);
  await tell(call, balancer, member.id);
}

async function drain(call: Call): Promise<void> {
  const { balancer, member } = await find(call);
  await call.api.setMember(balancer, member.id, { draining: true });
  if (call.options.wait) await untilDrained(call.api, balancer, member.id);
  await tell(call, balancer, member.id);
}

/** The server ends its events when it is reloaded: then they are asked for again. */
async function untilDrained(api: SluiceApi, balancer: string, id: string): Promise<void> {
  for (;;) {
    for await (const { balancers } of api.events()) {
      const members = balancers.find(({ name }) => name === `balancer://${balancer}`)?.members ?? [];
      const member = members.find((one) => one.id === id);
      if (member === undefined || member.drained) return;
      if (!member.settings.draining) throw new Mistake(`${member.url} is not drained any more: somebody enabled it`);
    }
  }
}

async function add({ api, words: [balancer, url], options }: Call): Promise<void> {
  const { route, factor, enabled } = options;
  const settings: MemberChange = {};
  if (route !== undefined) settings.route = route;
  if (factor !== undefined) settings.loadFactor = Number(factor);
  if (enabled) settings.disabled = false;
  const member = await api.addMember(bare(balancer!), url!, settings);
  print(options, member, membersText([{ ...(await api.balancer(bare(balancer!))), members: [member] }]));
}

async function act(call: Call, does: (api: SluiceApi, at: Found) => Promise<{ readonly id: number }>): Promise<void> {
  const at = await find(call);
  const entry = await does(call.api, at);
  print(call.options, entry, `${at.member.url} of balancer://${at.balancer}: done, change ${entry.id}`);
}

/** How a member is after a change. */
async function tell({ api, options }: Call, balancer: string, id: string): Promise<void> {
  const member = await api.member(balancer, id);
  print(options, member, membersText([{ ...(await api.balancer(balancer)), members: [member] }]));
}

function print({ json }: Options, value: unknown, text: string): void {
  console.log(json ? JSON.stringify(value, null, 2) : text);
}

interface Found {
  /** Without balancer:// */
  readonly balancer: string;
  readonly member: MemberState;
}

/** The member that the words name, `[BALANCER] MEMBER`: by its URL, host:port, route or id. */
async function find({ api, words }: Call): Promise<Found> {
  const name = words.length === 2 ? words[0]! : null;
  const wanted = words.at(-1)!;
  const balancers = name === null ? (await api.state()).balancers : [await api.balancer(bare(name))];
  const found: Found[] = [];
  for (const { name: of, members } of balancers) {
    for (const member of members) if (isCalled(member, wanted)) found.push({ balancer: bare(of), member });
  }
  if (found.length === 1) return found[0]!;
  if (found.length > 1) {
    const list = found.map(({ balancer, member }) => `${balancer} ${member.url}`).join(", ");
    throw new Mistake(`${wanted} may be any of: ${list}`);
  }
  const known = balancers.flatMap(({ members }) => members.map(({ url }) => url));
  const list = known.length === 0 ? "there is none" : `there are ${[...new Set(known)].join(", ")}`;
  throw new Mistake(`no member${name === null ? "" : ` of balancer://${bare(name)}`} is called ${wanted}: ${list}`);
}

function isCalled({ id, url, host, port, settings }: MemberState, wanted: string): boolean {
  const name = wanted.toLowerCase().replace(/\/$/, "");
  return (
    url.toLowerCase().replace(/\/$/, "") === name || `${host}:${port}` === name || [id, settings.route].includes(wanted)
  );
}

function bare(balancer: string): string {
  return balancer.replace(/^balancer:\/\//i, "");
}
