/**
 * mod_headers: fields of requests and responses set, added, edited, removed.
 * Source: httpd modules/metadata/mod_headers.c
 */
import {
  type CommandContext,
  DECLINED,
  defineModule,
  fixups,
  getModuleConfig,
  HeaderTable,
  insertErrorFilter,
  insertFilter,
  postReadRequest,
  type RequestRec,
  type Status,
  z,
} from "../../modules/mod.ts";
import { editRequest, editResponse } from "./actions.ts";
import { type HeaderEntry, parseHeaderLine } from "./header_entry.ts";

/** The lines of one table in order, apart by when they act. */
interface Lines {
  readonly early: readonly HeaderEntry[];
  readonly late: readonly HeaderEntry[];
}

const lines = z
  .array(z.custom<HeaderEntry>())
  .default([])
  .transform((all): Lines => ({ early: all.filter((e) => e.early), late: all.filter((e) => !e.early) }));

const headers = defineModule({
  name: "mod_headers",
  config: z.object({
    /** RequestHeader. */
    request: lines,
    /** Header always: for r.errHeadersOut. */
    always: lines,
    /** Header: for r.headersOut. */
    onsuccess: lines,
  }),
  append: ["request", "always", "onsuccess"],
  commands: ({ raw }) => [
    raw(
      "Header",
      "any",
      (cmd, args) => addLine(cmd, args, false),
      "an optional condition, an action, header and value followed by optional env clause",
    ),
    raw(
      "RequestHeader",
      "any",
      (cmd, args) => addLine(cmd, args, true),
      "an action, header and value followed by optional env clause",
    ),
  ],
  registerHooks({ hook }) {
    hook(postReadRequest, earlyHeaders, { rank: "first", directivesOf: ["mod_headers"] });
    hook(fixups, requestHeaders, { rank: "last", directivesOf: ["mod_headers"] });
    hook(insertFilter, responseHeaders, { rank: "last", directivesOf: ["mod_headers"] });
    hook(insertErrorFilter, alwaysHeaders, { rank: "last", directivesOf: ["mod_headers"] });
  },
});
export default headers;

function addLine(cmd: CommandContext, args: string, isRequest: boolean): string | undefined {
  const parsed = parseHeaderLine(cmd.directive.name, args, isRequest);
  if (typeof parsed === "string") return parsed;
  cmd.push(parsed.list, parsed.entry);
  return undefined;
}

function earlyHeaders(r: RequestRec): Status {
  const { request, always, onsuccess } = getModuleConfig(r.perDirConfig, headers);
  if (request.early.length > 0) editRequest(r, request.early);
  if (always.early.length > 0) editResponse(r, always.early, errorTable(r));
  if (onsuccess.early.length > 0) editResponse(r, onsuccess.early, r.headersOut);
  return DECLINED;
}

function requestHeaders(r: RequestRec): Status {
  const { late } = getModuleConfig(r.perDirConfig, headers).request;
  if (late.length > 0) editRequest(r, late);
  return DECLINED;
}

/** The answer of a backend or a handler, whatever its status. */
function responseHeaders(r: RequestRec): void {
  alwaysHeaders(r);
  const { late } = getModuleConfig(r.perDirConfig, headers).onsuccess;
  if (late.length > 0) editResponse(r, late, r.headersOut);
}

/** A page that the server makes for an error has only these. */
function alwaysHeaders(r: RequestRec): void {
  const { late } = getModuleConfig(r.perDirConfig, headers).always;
  if (late.length > 0) editResponse(r, late, errorTable(r));
}

function errorTable(r: RequestRec): HeaderTable {
  r.errHeadersOut ??= new HeaderTable();
  return r.errHeadersOut;
}
