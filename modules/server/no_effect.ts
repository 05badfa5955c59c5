/**
 * Directives of httpd that configurations have and that change nothing for a proxy. They are read, and have no effect;
 * each with its reason here. What would change something is either built or refused, never in this table.
 * Source: httpd server/core.c, modules/mappers/mod_dir.c, modules/generators/mod_autoindex.c, modules/http/mod_mime.c...
 */
import { splitWords } from "../config/directive.ts";
import {
  type CommandContext,
  type CommandHandler,
  type CommandNote,
  type CommandRec,
  commandTable,
  type Where,
} from "../core/command.ts";

type Kind = "take1" | "take2" | "take12" | "iterate" | "iterate2" | "raw";
type Row = readonly [where: Where, kind: Kind, names: string, check?: CommandHandler];

const FILES = "about files, of which sluice serves none";
const LISTINGS = "about listings of directories, which sluice does not make";
const CGI = "about programs, of which sluice runs none";
const TRAILERS = "the trailers of a request never become headers";
const CACHE = "about a cache, which sluice has not: CacheEnable is refused";
const DAV = "about WebDAV, which sluice does not speak: DAV is refused";
const HTML = "about the rewriting of pages, which sluice does not do: ProxyHTMLEnable is refused";
const SYSTEM = "about processes, locks, buffers and system calls that sluice does not use";

const TABLE: Readonly<Record<string, readonly Row[]>> = {
  [FILES]: [
    ["any", "raw", "Options", checkOptions],
    ["dir", "raw", "AllowOverride", checkOverride],
    ["dir", "raw", "AllowOverrideList"],
    ["server", "raw", "AccessFileName"],
    ["any", "iterate", "FileETag", checkETag],
    ["any", "take1", "EnableMMAP EnableSendfile", checkOnOff],
    ["any", "take1", "ContentDigest", checkFlag("ContentDigest")],
    ["any", "take1", "AcceptPathInfo", checkPathInfo],
    ["any", "take1", "DefaultType"],
    ["any", "iterate2", "AddHandler AddInputFilter AddOutputFilter"],
    ["any", "iterate", "RemoveHandler RemoveInputFilter RemoveOutputFilter"],
    ["any", "iterate", "MultiviewsMatch LanguagePriority ForceLanguagePriority"],
    ["server", "raw", "CacheNegotiatedDocs UserDir MIMEMagicFile"],
    ["any", "take1", "LimitXMLRequestBody"],
  ],
  [LISTINGS]: [
    ["any", "iterate2", "AddIcon AddIconByType AddIconByEncoding AddAlt AddAltByType AddAltByEncoding AddDescription"],
    ["any", "raw", "IndexOptions IndexIgnoreReset FancyIndexing"],
    ["any", "iterate", "IndexIgnore"],
    ["any", "take2", "IndexOrderDefault"],
    ["any", "take1", "HeaderName ReadmeName DefaultIcon IndexStyleSheet IndexHeadInsert"],
  ],
  [CGI]: [
    ["server", "take1", "ScriptSock ScriptLog ScriptLogLength ScriptLogBuffer"],
    ["any", "take1", "CGIDScriptTimeout ScriptInterpreterSource"],
    ["dir", "take1", "CGIPassAuth"],
    ["any", "take12", "RLimitCPU RLimitMEM RLimitNPROC"],
    ["any", "take2", "CGIVar"],
  ],
  // What their modules' files in Debian set, or what says how something is done that has to be enabled first.
  [CACHE]: [
    ["any", "raw", "CacheDisable"],
    ["server", "take1", "CacheRoot CacheDirLevels CacheDirLength"],
    ["any", "take1", "CacheMaxFileSize CacheMinFileSize CacheDefaultExpire CacheMaxExpire CacheMinExpire"],
    [
      "any",
      "take1",
      "CacheLastModifiedFactor CacheIgnoreNoLastMod CacheStaleOnError CacheStoreNoStore CacheStorePrivate",
    ],
    ["server", "take1", "CacheLock CacheLockPath CacheLockMaxAge CacheQuickHandler CacheIgnoreCacheControl"],
    ["server", "iterate", "CacheIgnoreHeaders"],
  ],
  [DAV]: [
    ["server", "take1", "DAVLockDB"],
    ["any", "take1", "DAVMinTimeout DAVDepthInfinity"],
  ],
  [HTML]: [
    ["any", "iterate2", "ProxyHTMLLinks"],
    ["any", "iterate", "ProxyHTMLEvents"],
    [
      "any",
      "raw",
      "ProxyHTMLDocType ProxyHTMLFixups ProxyHTMLMeta ProxyHTMLExtended ProxyHTMLCharsetOut ProxyHTMLBufSize",
    ],
  ],
  [SYSTEM]: [
    ["server", "take2", "AcceptFilter"],
    ["server", "take1", "FlushMaxPipelined FlushMaxThreshold"],
    ["any", "take1", "ReadBufferSize"],
    ["global", "take1", "SendBufferSize ReceiveBufferSize"],
    ["global", "iterate", "Mutex", checkMutex],
    ["global", "take1", "CoreDumpDirectory EnableExceptionHook ThreadStackSize MaxMemFree GprofDir"],
  ],
  [TRAILERS]: [["server", "take1", "MergeTrailers", checkMergeTrailers]],
};

export const noEffectCommands: readonly CommandRec[] = Object.entries(TABLE).flatMap(([reason, rows]) =>
  rows.flatMap(([where, kind, names, check]) =>
    names.split(" ").map((name) => {
      const make = commandTable[kind] as (...args: [string, Where, CommandHandler, string, CommandNote]) => CommandRec;
      return make(name, where, check ?? nothing, `${reason}: no effect`, { noEffect: reason });
    }),
  ),
);

function nothing(): void {}

const OPTIONS = new Set(
  "all none indexes includes includesnoexec followsymlinks symlinksifownermatch execcgi multiviews".split(" "),
);

function checkOptions(_cmd: CommandContext, args: string): string | undefined {
  const words = splitWords(args, 1).map((word) => word.text);
  const relative = words.filter((word) => /^[+-]/.test(word)).length;
  for (const word of words) {
    if (!OPTIONS.has(word.replace(/^[+-]/, "").toLowerCase())) return `Illegal option ${word.replace(/^[+-]/, "")}`;
  }
  if (relative !== 0 && relative !== words.length)
    return "Either all Options must start with + or -, or no Option may.";
  return undefined;
}

const OVERRIDES = /^(limit|options|fileinfo|authconfig|indexes|none|all|nonfatal)(=.*)?$/i;

function checkOverride(cmd: CommandContext, args: string): string | undefined {
  for (const { text } of splitWords(args, 1)) if (!OVERRIDES.test(text)) return `Illegal override option ${text}`;
  const { file, line } = cmd.directive;
  if (cmd.scope.kind === "location") cmd.warn("AH00114", `Useless use of AllowOverride in line ${line} of ${file}.`);
  return undefined;
}

function checkETag(_cmd: CommandContext, word: string): string | undefined {
  const known = /^[+-]?(all|none|inode|mtime|size|digest)$/i.test(word);
  return known ? undefined : `Unknown keyword '${word}' for FileETag directive`;
}

function checkOnOff(_cmd: CommandContext, word: string): string | undefined {
  return /^(on|off)$/i.test(word) ? undefined : "parameter must be 'on' or 'off'";
}

function checkFlag(name: string): CommandHandler {
  return (_cmd, word) => (/^(on|off)$/i.test(word!) ? undefined : `${name} must be On or Off`);
}

function checkMergeTrailers(_cmd: CommandContext, word: string): string | undefined {
  if (/^on$/i.test(word)) return `MergeTrailers On is not supported: ${TRAILERS}`;
  return /^off$/i.test(word) ? undefined : "MergeTrailers must be On or Off";
}

function checkPathInfo(_cmd: CommandContext, word: string): string | undefined {
  return /^(on|off|default)$/i.test(word) ? undefined : "AcceptPathInfo must be set to on, off or default";
}

const MUTEXES = new Set(
  (
    "mpm-accept authdigest-client authdigest-opaque ldap-cache rewrite-map ssl-cache ssl-stapling ssl-stapling-refresh " +
    "watchdog-callback proxy proxy-balancer-shm cache-socache authn-socache socache-shmcb dbd md lua-ivm-shm"
  ).split(" "),
);

function checkMutex(_cmd: CommandContext, word: string): string | undefined {
  // The mechanism and its file, or the names of what it is for.
  const known = /^(none|default|pthread|sysvsem|posixsem|sem|omitpid|(flock|fcntl|file)(:.*)?)$/i.test(word);
  return known || MUTEXES.has(word.toLowerCase()) ? undefined : `Invalid Mutex argument ${word}`;
}
