/**
 * The command tables -> a JSON Schema of the YAML form, for editors: completion, hover texts, unknown names.
 *
 * Keys are case-blind for the server. The schema offers the lower-camel spelling and takes httpd's own as well
 * (`ProxyPass`), by patternProperties, which editors do not complete.
 */
import type { CommandRec, Where } from "../core/command.ts";
import { yamlName } from "./convert.ts";
import { isBareSection } from "./section_names.ts";

/** Where a body stands. Conditions (`ifModule`) hold the body of the place they are in. */
type Context = "main" | "virtualHost" | "section" | "proxy";

const TITLES: Record<Context, string> = {
  main: "Outside of any section",
  virtualHost: "In a virtual host",
  section: "In <Location> and its like",
  proxy: "In <Proxy>",
};

/** Source: build.ts, which refuses the others */
const ALLOWED: Record<Context, readonly Where[]> = {
  main: ["global", "server", "proxy", "any"],
  virtualHost: ["server", "vhost", "proxy", "any"],
  section: ["dir", "any"],
  proxy: ["dir", "proxy", "any"],
};

type Schema = Record<string, unknown>;

/** Executed while reading, so in no module's table. */
const READ_TIME: Record<string, { schema: Schema; help: string }> = {
  Include: { schema: ref("lines"), help: "a file, a directory or a pattern whose directives stand here" },
  IncludeOptional: { schema: ref("lines"), help: "as include, and no error if nothing is there" },
  LoadModule: { schema: ref("lines"), help: "a module's name, then its file" },
  ServerRoot: { schema: ref("line"), help: "what relative paths are relative to" },
  Define: {
    schema: {
      anyOf: [ref("lines"), { type: "object", additionalProperties: { anyOf: [ref("line"), { type: "null" }] } }],
    },
    help: "a name and its value for ${NAME}; without a value, a name for ifDefine",
  },
  UnDefine: { schema: ref("lines"), help: "takes back a define" },
  Use: { schema: ref("lines"), help: "a macro's name, then its arguments" },
  UndefMacro: { schema: ref("lines"), help: "takes back a macro" },
};

const CONDITIONS: Record<string, string> = {
  IfModule: "if a module is loaded, or !name: is not",
  IfDefine: "if a name is defined, or !name: is not",
  IfVersion: "if the version compares so",
  IfFile: "if a file exists, or !path: does not",
  IfDirective: "if a directive is known, or !name: is not",
  IfSection: "if a section is known, or !name: is not",
};

/** JSON Schema 2020-12 of a whole file. The first command of a name has it, as for the builder. */
export function jsonSchema(commands: readonly CommandRec[]): Schema {
  const byName = new Map<string, CommandRec>();
  for (const command of commands) {
    const key = command.name.toLowerCase();
    if (!byName.has(key)) byName.set(key, command);
  }
  const table = [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));

  const defs: Schema = {
    word: { type: ["string", "number", "boolean"] },
    line: { description: "the arguments, as on httpd's line", type: ["string", "number", "boolean"] },
    lines: { anyOf: [ref("line"), { type: "array", items: ref("line") }] },
    flag: { enum: [true, false, "on", "off", "On", "Off"] },
    value: { anyOf: [ref("word"), { type: "array", items: ref("word") }] },
  };
  for (const command of table) {
    if (command.kind !== "section")
      defs[`directive-${command.name}`] = { description: command.help, ...directive(command) };
  }
  for (const context of Object.keys(ALLOWED) as Context[]) {
    defs[`mapping-${context}`] = { title: TITLES[context], ...mapping(context, table) };
    const one = ref(`mapping-${context}`);
    defs[`body-${context}`] = { anyOf: [one, { type: "array", items: one }, { type: "null" }] };
  }
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "sluice configuration",
    ...ref("body-main"),
    $defs: defs,
  };
}

function mapping(context: Context, table: readonly CommandRec[]): Schema {
  const properties: Schema = {};
  const patternProperties: Schema = {};
  const add = (name: string, schema: Schema) => {
    properties[yamlName(name)] = schema;
    if (yamlName(name) !== name) patternProperties[`^${name}$`] = schema;
  };
  for (const [name, { schema, help }] of Object.entries(READ_TIME)) add(name, { description: help, ...schema });
  for (const [name, help] of Object.entries(CONDITIONS)) add(name, section(name, help, context));
  // Parameters may stand for anything in a macro, sections and directives alike.
  if (context === "main")
    add("Macro", { description: "a name and parameters -> what `use` puts in their place", type: "object" });
  for (const command of table) {
    if (!ALLOWED[context].includes(command.where)) continue;
    const { name, help, kind } = command;
    add(name, kind === "section" ? section(name, help, contextIn(name, context)) : ref(`directive-${name}`));
  }
  // What one file shares by anchors, `<<` brings in.
  properties["<<"] = {};
  return { type: "object", properties, patternProperties, additionalProperties: false };
}

/** The place that a section's body is. */
function contextIn(name: string, outer: Context): Context {
  if (/^virtualhost$/i.test(name)) return "virtualHost";
  if (/^proxy(match)?$/i.test(name)) return "proxy";
  // <If> in <Proxy> holds what <Proxy> may; on its own it is a section as <Location> is.
  return outer === "proxy" ? "proxy" : "section";
}

function section(name: string, help: string, context: Context): Schema {
  const body = ref(`body-${context}`);
  if (isBareSection(name)) return { description: help, ...body };
  const byArgument = { type: "object", additionalProperties: body };
  return { description: help, anyOf: [byArgument, { type: "array", items: byArgument }] };
}

function directive(command: CommandRec): Schema {
  switch (command.kind) {
    case "noArgs":
      return { type: "null" };
    case "flag":
      return ref("flag");
    case "params": {
      const properties = Object.fromEntries(command.positional.map((key) => [key, ref("word")]));
      const keyed = { type: "object", properties, additionalProperties: ref("value") };
      const one = { anyOf: [ref("line"), keyed] };
      return { anyOf: [ref("line"), keyed, { type: "array", items: one }] };
    }
    case "section":
      return {};
    default:
      return ref("lines");
  }
}

function ref(name: string): Schema {
  return { $ref: `#/$defs/${name}` };
}
