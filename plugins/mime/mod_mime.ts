/**
 * mod_mime: what the extensions of a path say of a response. A backend that names no type gets the one of the extension;
 * encodings and languages are added to what it says.
 * Source: httpd modules/http/mod_mime.c find_ct; modules/http/http_filters.c ap_http_header_filter
 */
import {
  type CommandContext,
  checkConfig,
  defineModule,
  getModuleConfig,
  insertFilter,
  type ProcessRec,
  type RequestRec,
  z,
} from "../../modules/mod.ts";

type Label = "type" | "charset" | "encoding" | "language";

/** What one extension says of one thing; "" takes back what was said before. */
interface Mapping {
  readonly extension: string;
  readonly label: Label;
  readonly value: string;
}

const mime = defineModule({
  name: "mod_mime",
  config: z.object({
    mappings: z.array(z.custom<Mapping>()).default([]),
    typesConfig: z.string().default(""),
    defaultLanguage: z.string().default(""),
    /** From ForceType; "" is none. */
    forcedType: z.string().default(""),
  }),
  append: ["mappings"],
  commands: ({ take1, iterate, iterate2 }) => [
    take1("TypesConfig", "global", (cmd, path) => cmd.set("typesConfig", cmd.resolvePath(path)), "the MIME types file"),
    iterate2("AddType", "any", add("type"), "a mime type followed by one or more file extensions"),
    iterate2("AddCharset", "any", add("charset"), "a charset followed by one or more file extensions"),
    iterate2("AddEncoding", "any", add("encoding"), "an encoding followed by one or more file extensions"),
    iterate2("AddLanguage", "any", add("language"), "a language followed by one or more file extensions"),
    iterate("RemoveType", "any", remove("type"), "one or more file extensions"),
    iterate("RemoveCharset", "any", remove("charset"), "one or more file extensions"),
    iterate("RemoveEncoding", "any", remove("encoding"), "one or more file extensions"),
    iterate("RemoveLanguage", "any", remove("language"), "one or more file extensions"),
    take1("DefaultLanguage", "any", "defaultLanguage", "language to use for documents with no other language"),
    take1(
      "ForceType",
      "any",
      (cmd, type) => cmd.set("forcedType", type.toLowerCase() === "none" ? "" : type),
      "a mime type that overrides other configured type",
    ),
  ],
  registerHooks({ hook }) {
    hook(checkConfig, readTypes);
    hook(insertFilter, label, { rank: "first", directivesOf: ["mod_mime"] });
  },
});
export default mime;

function add(kind: Label) {
  return (cmd: CommandContext, value: string, extension: string): void => {
    // Types alone keep their case.
    cmd.push("mappings", mapping(kind, extension, kind === "type" ? value : value.toLowerCase()));
  };
}

function remove(kind: Label) {
  return (cmd: CommandContext, extension: string): void => cmd.push("mappings", mapping(kind, extension, ""));
}

function mapping(kind: Label, extension: string, value: string): Mapping {
  return { label: kind, extension: extension.replace(/^\./, "").toLowerCase(), value };
}

const typesOf = new WeakMap<ProcessRec, ReadonlyMap<string, string>>();

/** @throws Error if TypesConfig names a file that cannot be read */
function readTypes(generation: ProcessRec): void {
  const path = getModuleConfig(generation.servers[0]!.config, mime)?.typesConfig ?? "";
  if (path === "") return;
  let text: string;
  try {
    text = generation.host.files!.read(path);
  } catch {
    throw new Error(`AH01597: could not open mime types config file ${path}.`);
  }
  const types = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [type, ...extensions] = line
      .replace(/^\s*#.*/, "")
      .split(/\s+/)
      .filter(Boolean);
    for (const extension of extensions) types.set(extension.toLowerCase(), type!);
  }
  typesOf.set(generation, types);
}

type MimeConfig = z.output<typeof mime.config>;
type Labels = Partial<Record<Label, string>>;

const tables = new WeakMap<MimeConfig, ReadonlyMap<string, Labels>>();

function tableOf(conf: MimeConfig): ReadonlyMap<string, Labels> {
  const known = tables.get(conf);
  if (known !== undefined) return known;
  const table = new Map<string, Labels>();
  for (const { extension, label: kind, value } of conf.mappings) {
    const labels = table.get(extension) ?? {};
    labels[kind] = value;
    table.set(extension, labels);
  }
  tables.set(conf, table);
  return table;
}

function label(r: RequestRec): void {
  const conf = getModuleConfig(r.perDirConfig, mime);
  if (conf.mappings.length === 0 && conf.defaultLanguage === "" && conf.typesConfig === "" && conf.forcedType === "")
    return;
  if (r.proxyreq === "none") return; // made by a handler, which knows what it made
  const table = tableOf(conf);
  const types = typesOf.get(r.server.process);
  let type = "";
  let charset = "";
  const encodings: string[] = [];
  const languages: string[] = [];
  for (const extension of extensionsOf(r.filename)) {
    const labels = table.get(extension);
    type = labels?.type || types?.get(extension) || type;
    charset = labels?.charset || charset;
    if (labels?.encoding) encodings.push(labels.encoding);
    if (labels?.language) languages.push(labels.language);
  }
  if (languages.length === 0 && conf.defaultLanguage !== "") languages.push(conf.defaultLanguage);
  const { headersOut } = r;
  type = conf.forcedType || withCharset(type, charset);
  if (type !== "" && !headersOut.has("Content-Type")) {
    headersOut.add("Content-Type", type);
    r.ownType = true;
  }
  if (encodings.length > 0) headersOut.set("Content-Encoding", encodings.join(", "));
  if (languages.length > 0)
    headersOut.set("Content-Language", merged(languages, headersOut.getAll("Content-Language")));
}

/** Of the last part of the path; what stands before the first dot, or a leading one, is the name. */
function extensionsOf(filename: string): string[] {
  const path = filename.replace(/[?#].*$/s, "");
  const name = path.slice(path.lastIndexOf("/") + 1).replace(/^\.+/, "");
  return name.toLowerCase().split(".").slice(1);
}

function withCharset(type: string, charset: string): string {
  if (type === "") return "";
  const [base, ...params] = type.split(";").map((part) => part.trim());
  const kept = charset === "" ? params : [...params.filter((param) => !/^charset=/i.test(param)), `charset=${charset}`];
  return [base, ...kept].join("; ");
}

/** Ours first, then the backend's, each once. */
function merged(ours: readonly string[], fields: readonly string[]): string {
  const all = [...ours, ...fields.flatMap((field) => field.split(",").map((token) => token.trim()))];
  return [...new Map(all.filter(Boolean).map((token) => [token.toLowerCase(), token])).values()].join(",");
}
