/**
 * What the lines do to a table of fields.
 * Source: httpd modules/metadata/mod_headers.c, do_headers_fixup
 */
import {
  CONTENT_TYPE,
  clientAddress,
  expandGroups,
  type HeaderTable,
  hasNoBody,
  matchGroups,
  type RequestRec,
  typeIsOwn,
} from "../../modules/mod.ts";
import { applies, type HeaderEntry, hasControls, isToken, withoutControls } from "./header_entry.ts";

/** RequestHeader: the fields that go to the backend. */
export function editRequest(r: RequestRec, entries: readonly HeaderEntry[]): void {
  for (const entry of entries) if (applies(entry, r)) edit(r, entry, r.headersIn, false);
}

/** Header: one of the two tables of the response. */
export function editResponse(r: RequestRec, entries: readonly HeaderEntry[], table: HeaderTable): void {
  for (const entry of entries) {
    if (!applies(entry, r)) continue;
    // A response without a body is of no type: its field is one like others.
    if (entry.id === CONTENT_TYPE && !hasNoBody(r.status)) editContentType(r, entry, table);
    else edit(r, entry, table, true);
  }
}

function edit(r: RequestRec, entry: HeaderEntry, table: HeaderTable, toClient: boolean): void {
  const { name } = entry;
  switch (entry.action) {
    case "set":
      table.setId(entry.id, name, fieldValue(r, entry, toClient));
      break;
    case "setifempty":
      if (!table.has(name)) table.addId(entry.id, name, fieldValue(r, entry, toClient));
      break;
    case "add":
      table.addId(entry.id, name, fieldValue(r, entry, toClient));
      break;
    case "append":
      table.mergeId(entry.id, name, fieldValue(r, entry, toClient));
      break;
    case "merge": {
      const value = fieldValue(r, entry, toClient);
      const present = table.get(name);
      if (present === undefined || !hasElement(present, value)) table.mergeId(entry.id, name, value);
      break;
    }
    case "unset":
      table.unset(name);
      break;
    case "edit":
    case "edit*":
      editValues(r, entry, table, toClient);
      break;
    case "note":
      note(r, entry, table);
      break;
    case "echo":
      for (const [field, value] of r.headersIn) if (entry.regex!.test(field)) r.headersOut.add(field, value);
  }
}

/**
 * The response has one type, whatever table a line is for: setting it replaces the type, and what would add another one
 * does nothing. `Header always unset` takes the type of the server's own pages, and none that a backend sent.
 */
function editContentType(r: RequestRec, entry: HeaderEntry, table: HeaderTable): void {
  const out = r.headersOut;
  switch (entry.action) {
    case "setifempty":
      if (table.hasId(CONTENT_TYPE) && (table !== out || !typeIsOwn(r))) return;
      out.setId(CONTENT_TYPE, entry.name, fieldValue(r, entry, true));
      break;
    case "add":
    case "append":
    case "merge":
      if (!out.hasId(CONTENT_TYPE)) edit(r, entry, out, true);
      else if (out.getId(CONTENT_TYPE) === "") edit(r, entry, table, true); // that is no type
      break;
    case "unset":
      if (table === out || typeIsOwn(r)) out.unsetId(CONTENT_TYPE);
      break;
    case "note":
      edit(r, entry, table, true);
      break;
    default:
      edit(r, entry, out, true);
  }
}

/** The value to send. One that must not be sent to the client makes the response an error page. */
function fieldValue(r: RequestRec, entry: HeaderEntry, toClient: boolean): string {
  const { constant } = entry.value!;
  if (constant !== null && !entry.illegal) return constant;
  const value = constant ?? entry.value!.evaluate(r);
  return checked(r, entry, value, toClient);
}

function checked(r: RequestRec, entry: HeaderEntry, value: string, toClient: boolean): string {
  if (!hasControls(value) && !entry.illegal) return value;
  if (!toClient) return withoutControls(value);
  const { log } = r.server;
  const client = clientAddress(r.conn);
  if (isToken(entry.name)) {
    const text = `Response header '${entry.name}' value of '${value}' contains invalid characters, aborting request`;
    log.error("http", "AH02430", text, { client });
  } else {
    const text = `Response header name '${entry.name}' contains invalid characters, aborting request`;
    log.error("http", "AH02429", text, { client });
  }
  r.illegalHeader = true;
  return value;
}

/** Every field of that name; they move behind the others. */
function editValues(r: RequestRec, entry: HeaderEntry, table: HeaderTable, toClient: boolean): void {
  let at = table.indexOf(entry.name);
  if (at < 0) return;
  const names: string[] = [];
  const values: string[] = [];
  for (; at >= 0; at = table.indexOf(entry.name, at + 1)) {
    const value = table.valueAt(at);
    const edited = editValue(r, entry, value);
    names.push(table.nameAt(at));
    values.push(edited === value ? value : checked(r, entry, edited, toClient));
  }
  table.unset(entry.name);
  for (let i = 0; i < names.length; i++) table.addId(entry.id, names[i]!, values[i]!);
}

function editValue(r: RequestRec, entry: HeaderEntry, value: string): string {
  const regex = entry.regex!;
  let out = "";
  let rest = value;
  do {
    const found = regex.exec(rest);
    if (found === null) break;
    const template = entry.value!.evaluate(r);
    out += rest.slice(0, found.index);
    out += /[$\\]/.test(template) ? expandGroups(template, matchGroups(regex, rest)!) : template;
    let end = found.index + found[0].length;
    // httpd matches an empty text over and over, until its stack ends.
    if (found[0] === "" && entry.action === "edit*" && end < rest.length) out += rest[end++]!;
    rest = rest.slice(end);
  } while (entry.action === "edit*" && rest !== "");
  return out + rest;
}

function note(r: RequestRec, entry: HeaderEntry, table: HeaderTable): void {
  const value = table.get(entry.name);
  if (value !== undefined) r.setNote(entry.value!.evaluate(r), value);
}

/** Whether a comma separated list has an element that is exactly `wanted`; quoted commas separate nothing. */
export function hasElement(list: string, wanted: string): boolean {
  let at = 0;
  while (at < list.length) {
    while (/\s/.test(list[at] ?? "")) at++;
    const start = at;
    while (at < list.length && list[at] !== ",") {
      if (list[at++] !== '"') continue;
      const close = list.indexOf('"', at);
      at = close < 0 ? list.length : close + 1;
    }
    if (list.slice(start, at) === wanted) return true;
    at++;
  }
  return false;
}
