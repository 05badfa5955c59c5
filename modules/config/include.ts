/**
 * Which files an Include names: relative paths, wildcards in any component, directories.
 * Source: httpd server/config.c ap_process_fnmatch_configs, apr_fnmatch
 */

/** What Include needs of the file system. */
export interface IncludeHost {
  /** Names without "." and ".."; throws an error with `.code`. */
  readDir(path: string): readonly string[];
  kind(path: string): "file" | "dir" | "none";
}

/** Source: httpd AP_MAX_INCLUDE_DIR_DEPTH */
const MAX_DIRECTORY_DEPTH = 20;

/** `path` below `base` unless it is absolute, without `.`, `..` and doubled slashes. */
export function resolvePath(base: string, path: string): string {
  const whole = /^(\/|[A-Za-z]:[\\/])/.test(path) ? path : `${base}/${path}`;
  const parts: string[] = [];
  for (const part of whole.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return (whole.startsWith("/") ? "/" : "") + parts.join("/");
}

/**
 * The files an absolute `pattern` stands for, in the order they are read. A file that is named without a wildcard is
 * answered whether it exists or not, so that opening it gives the error; with `optional` a missing one is left out.
 * Throws a plain Error with httpd's text.
 */
export function includedFiles(pattern: string, optional: boolean, host: IncludeHost): string[] {
  if (!hasWildcard(pattern)) return filesBelow(pattern, optional, host, 0);
  return matchComponents("/", pattern.split("/").filter(Boolean), optional, host);
}

function matchComponents(dir: string, components: readonly string[], optional: boolean, host: IncludeHost): string[] {
  const [component, ...rest] = components;
  if (component === undefined) return filesBelow(dir, optional, host, 0);
  if (!hasWildcard(component)) return matchComponents(below(dir, component), rest, optional, host);

  let names: readonly string[];
  try {
    names = host.readDir(dir);
  } catch (e) {
    if (optional) return [];
    throw new Error(`Include/IncludeOptional: Could not open directory ${dir}: ${reasonOf(e)}`);
  }
  const matches = wildcard(component);
  const paths = names
    .filter(matches)
    .map((name) => below(dir, name))
    // Only a directory can hold the components that are left.
    .filter((path) => rest.length === 0 || host.kind(path) === "dir")
    .sort(byBytes);
  if (paths.length === 0 && !optional) {
    throw new Error(`Include/IncludeOptional: No matches for the wildcard '${component}' in '${dir}', failing`);
  }
  return paths.flatMap((path) => matchComponents(path, rest, optional, host));
}

/** A file is itself; a directory is all the files in it, recursively. */
function filesBelow(path: string, optional: boolean, host: IncludeHost, depth: number): string[] {
  const kind = host.kind(path);
  if (kind !== "dir") return optional && kind === "none" ? [] : [path];
  if (depth >= MAX_DIRECTORY_DEPTH) {
    throw new Error(
      `Directory ${path} exceeds the maximum include directory nesting level of ${MAX_DIRECTORY_DEPTH}. ` +
        "You have probably a recursion somewhere.",
    );
  }
  let names: readonly string[];
  try {
    names = host.readDir(path);
  } catch (e) {
    throw new Error(`Could not open config directory ${path}: ${reasonOf(e)}`);
  }
  return [...names].sort(byBytes).flatMap((name) => filesBelow(below(path, name), optional, host, depth + 1));
}

function below(dir: string, name: string): string {
  return dir.endsWith("/") ? dir + name : `${dir}/${name}`;
}

/** By code unit, as strcmp orders ASCII names: no locale, the same order on every machine. */
function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function hasWildcard(path: string): boolean {
  return /[*?]|\[[^/]*\]/.test(path);
}

/** A test for one path component; a leading dot is matched only by a dot. */
export function wildcard(pattern: string): (name: string) => boolean {
  const source = pattern.replace(/\[([!^]?)(\]?[^\]]*)\]|\\?[\s\S]/g, (token, not?: string, set?: string) => {
    if (token === "*") return ".*";
    if (token === "?") return ".";
    if (set) return `[${not ? "^" : ""}${set.replace(/[\\[\]^]/g, "\\$&")}]`;
    const literal = token.length === 2 && token[0] === "\\" ? token[1]! : token;
    return literal.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  });
  const regex = new RegExp(`^${source}$`, "s");
  return (name) => (name.startsWith(".") && !pattern.startsWith(".") ? false : regex.test(name));
}

/** The C library's text for an error with a `.code`. */
export function reasonOf(e: unknown): string {
  const code = e instanceof Error && "code" in e ? e.code : undefined;
  if (code === "ENOENT") return "No such file or directory";
  if (code === "EACCES" || code === "EPERM") return "Permission denied";
  if (code === "EISDIR") return "Is a directory";
  if (code === "ENOTDIR") return "Not a directory";
  return e instanceof Error ? e.message : String(e);
}
