/**
 * Certificates and keys in files. Read where the directive stands, so that a bad file is an error of its line; read again by
 * every reload.
 */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { HostFiles } from "../../modules/mod.ts";
import { type Certificate, certificateOf } from "./verify.ts";

const CERTIFICATE =
  /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----([\s\S]*?)-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;
const KEY = /-----BEGIN ((?:RSA |EC |ENCRYPTED )?PRIVATE KEY)-----[\s\S]*?-----END \1-----/;

/** A file of PEM texts; `path` for messages. */
export interface PemFile {
  readonly path: string;
  readonly text: string;
  /** `path` is a directory. */
  readonly many?: boolean;
}

/** The text of an error, in httpd's words, or the file. */
export function readPem(directive: string, path: string, files: HostFiles): PemFile | string {
  if ((files.stat(path, true)?.kind ?? "file") !== "file") return missing(directive, path);
  try {
    const text = files.read(path);
    return text === "" ? missing(directive, path) : { path, text };
  } catch (error) {
    const { message, changed } = error as { message: string; changed?: boolean };
    return changed ? `${directive}: file '${path}': ${message}` : missing(directive, path);
  }
}

function missing(directive: string, path: string): string {
  return `${directive}: file '${path}' does not exist or is empty`;
}

/** Every file of a directory, joined. */
export function readPemDirectory(directive: string, path: string): PemFile | string {
  try {
    return { path, text: textOfAll(path), many: true };
  } catch {
    return `${directive}: directory '${path}' does not exist`;
  }
}

function textOfAll(directory: string): string {
  return filesIn(directory)
    .map((path) => readFileSync(path, "utf8"))
    .join("\n");
}

function filesIn(directory: string): string[] {
  const paths = readdirSync(directory).map((name) => join(directory, name));
  return paths.filter((path) => statSync(path).isFile());
}

/** What stands in a file, or a directory, now; null: there is none. @throws Error if it may not be read any more */
export function readAgain({ path, many }: PemFile, files: HostFiles): string | null {
  try {
    return (many ? textOfAll(path) : files.read(path)) || null;
  } catch (error) {
    if ((error as { changed?: boolean }).changed) throw error;
    return null;
  }
}

/** A text that is another one once the file has changed, or one in the directory; "": there is none. */
export function versionOf({ path, many }: PemFile): string {
  const version = (one: string): string => {
    const { dev, ino, size, mtimeMs, ctimeMs } = statSync(one);
    return `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
  };
  try {
    return many ? filesIn(path).map(version).join("\n") : version(path);
  } catch {
    return "";
  }
}

/** The certificates of a text, in order. @throws Error if one of them is none */
export function certificatesOf(text: string): Certificate[] {
  return certificateTexts(text).map((pem) => certificateOf(derOf(pem)));
}

/** The PEM of each certificate in a text. */
export function certificateTexts(text: string): string[] {
  return [...text.matchAll(CERTIFICATE)].map(([, body]) => pemOf(body!));
}

function pemOf(body: string): string {
  return `-----BEGIN CERTIFICATE-----\n${body.trim()}\n-----END CERTIFICATE-----\n`;
}

function derOf(pem: string): Uint8Array {
  const text = atob(pem.replace(/-----[^-]*-----|\s/g, ""));
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

/** The PEM of the private key in a text; null: there is none. */
export function keyText(text: string): string | null {
  return KEY.exec(text)?.[0] ?? null;
}

/** @throws Error if it cannot be read, as one that is encrypted */
export function privateKeyOf(pem: string): KeyObject {
  return createPrivateKey(pem);
}
