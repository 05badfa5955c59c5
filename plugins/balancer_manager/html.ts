/** Pieces of the manager's HTML. Whatever goes into them as text is encoded here. */
import { escapeHtml } from "../../modules/mod.ts";

/** Text in an element or in an attribute. */
export function esc(value: string | number): string {
  return escapeHtml(String(value)).replace(/'/g, "&#39;");
}

export function headRow(titles: readonly string[]): string {
  return `<tr>${titles.map((title) => `<th scope="col">${title}</th>`).join("")}</tr>`;
}

/** @param cells HTML */
export function row(cells: readonly (string | number)[], attributes = ""): string {
  return `<tr${attributes}>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
}

/**
 * A table that is none to programs that read httpd's page: they count its tables.
 * @param rows with their attributes, and cells of HTML
 */
export function gridTable(
  className: string,
  attributes: string,
  caption: string,
  titles: readonly string[],
  rows: readonly (readonly [attributes: string, cells: readonly string[]])[],
): string {
  const line = (cells: readonly string[], role: string, more = "") =>
    `<div role="row"${more}>${cells.map((cell) => `<div role="${role}">${cell}</div>`).join("")}</div>`;
  return `<p class="caption">${caption}</p>
${SCROLL} aria-label="${caption}: scrolls sideways"><div role="table" class="${className}" aria-label="${caption}"${attributes}>
${line(titles, "columnheader")}
${rows.map(([more, cells]) => line(cells, "cell", more)).join("\n")}
</div></div>
`;
}

/** The begin of a box for what is wider than a screen: a keyboard can scroll it. */
const SCROLL = '<div class="scroll" role="region" tabindex="0"';

/** A table in such a box. */
export function scrollBox(label: string, table: string): string {
  return `${SCROLL} aria-label="${label}">${table}</div>`;
}

/** @param name of the field that the label is for */
export function formRow(label: string, field: string, name = ""): string {
  const shown = name === "" ? label : `<label for="${name}">${label}</label>`;
  return `<tr><td>${shown}</td><td>${field}</td></tr>\n`;
}

export function input(name: string, value: string | number, size = 0): string {
  const width = size === 0 ? "" : ` size="${size}"`;
  return `<input name="${name}" id="${name}" type="text"${width} value="${esc(value)}">`;
}

export function hidden(name: string, value: string): string {
  return `<input type="hidden" name="${name}" value="${esc(value)}">\n`;
}

/** On and Off, with httpd's ids. */
export function onOff(name: string, title: string, on: boolean): string {
  const one = (label: string, value: string, checked: boolean) =>
    `<label for="${name}${value}">${label}</label> ` +
    `<input name="${name}" id="${name}${value}" value="${value}" type="radio"${checked ? " checked" : ""}>`;
  return `<span role="radiogroup" aria-label="${title}">${one("On", "1", on)} <br> ${one("Off", "0", !on)}</span>`;
}

export function select(name: string, options: readonly string[], chosen: string): string {
  const list = options.map((option) => {
    return `<option value="${esc(option)}"${option === chosen ? " selected" : ""}>${esc(option)}</option>\n`;
  });
  return `<select name="${name}" id="${name}">\n${list.join("")}</select>\n`;
}

/** A worker's URL or a balancer's name in a link. The manager decodes twice, as httpd does, so a "%" is encoded twice. */
export function linkUrl(url: string): string {
  return formUrl(url).replace(/%25/g, "%2525");
}

/** The same in a hidden field: the browser encodes it once more. */
export function formUrl(url: string): string {
  return url.replace(/[^A-Za-z0-9\-._~:/@!$()*,;=[\]]/g, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
