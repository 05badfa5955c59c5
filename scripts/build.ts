/**
 * `npm run build`: dist/, the JavaScript of the package with its declarations, and one file for hosts with nothing but fetch.
 * Prints sizes, and fails when one is beyond its bound.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { type BuildOptions, build, type Plugin, transform } from "esbuild";

const root = fileURLToPath(new URL("../", import.meta.url));
const dist = join(root, "dist");

/** Bytes, plain and gzipped, each file by itself. edge.js holds zod and yaml; the others leave packages to npm. */
const BOUNDS: Readonly<Record<string, readonly [plain: number, zipped: number]>> = {
  "edge.js": [1_000_000, 320_000],
  "mod.js": [1_650_000, 510_000],
};

const common: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  format: "esm",
  target: "es2023",
  logLevel: "warning",
  legalComments: "none",
};

/** zod brings its messages in fifty languages; ours are our own. */
const englishOnly: Plugin = {
  name: "english-only",
  setup(on) {
    on.onLoad({ filter: /zod\/v4\/locales\/index\.(js|cjs)$/ }, () => ({
      contents: 'export { default as en } from "./en.js";',
    }));
  },
};

/** A file that gets node: into the bundle for hosts without it is named, with who imports it. */
const noNode: Plugin = {
  name: "no-node",
  setup(on) {
    const builtin = new Set(builtinModules);
    on.onResolve({ filter: /./ }, ({ path, importer }) => {
      if (!path.startsWith("node:") && !builtin.has(path)) return undefined;
      return { errors: [{ text: `${importer} imports ${path}: keep it out of plugins/portable.ts` }] };
    });
  },
};

rmSync(dist, { recursive: true, force: true });
await build({
  ...common,
  entryPoints: ["edge.ts"],
  outfile: "dist/edge.js",
  platform: "neutral",
  mainFields: ["module", "main"],
  minify: true,
  plugins: [noNode, englishOnly],
});
// With splitting, so that a plug-in that imports ./modules meets the hooks of the program, and not others of the same name.
await build({
  ...common,
  entryPoints: { mod: "mod.ts", modules: "modules/mod.ts" },
  outdir: "dist",
  platform: "node",
  packages: "external",
  splitting: true,
  chunkNames: "core-[hash]",
});
await build({
  ...common,
  entryPoints: { heartbeat: "plugins/heartbeat/kit.ts", client: "plugins/balancer_manager/client.ts" },
  outdir: "dist",
  outExtension: { ".js": ".mjs" },
  platform: "node",
  target: "node20",
});
// Not bundled: a second entry that imported mod.ts would move it into a chunk, where it is never the program.
const { code } = await transform(readFileSync(join(root, "hono.ts"), "utf8"), { loader: "ts", format: "esm" });
writeFileSync(join(dist, "hono.js"), code.replaceAll('"./mod.ts"', '"./mod.js"'));
declarations();
report();

function declarations(): void {
  const tsc = join(root, "node_modules/.bin/tsc");
  const run = spawnSync(tsc, ["-p", "scripts/tsconfig.declarations.json"], { cwd: root, encoding: "utf8" });
  if (run.status !== 0) throw new Error(`tsc: ${run.stdout}${run.stderr}`);
  const types = join(dist, "types");
  for (const name of readdirSync(types, { recursive: true }) as string[]) {
    if (!name.endsWith(".d.ts")) continue;
    const text = readFileSync(join(types, name), "utf8");
    writeFileSync(join(types, name), text.replaceAll(/((?:from |import\()"\.[^"]*)\.ts"/g, '$1.js"'));
  }
}

function report(): void {
  let beyond = 0;
  for (const name of ["mod.js", "modules.js", "hono.js", "edge.js", "heartbeat.mjs", "client.mjs"]) {
    const bytes = sizeOf(name);
    const bound = BOUNDS[name];
    const over = bound !== undefined && (bytes.plain > bound[0] || bytes.zipped > bound[1]);
    if (over) beyond++;
    const limits = bound === undefined ? "" : `  at most ${bound[0]} and ${bound[1]}${over ? ": TOO LARGE" : ""}`;
    console.log(`dist/${name.padEnd(14)}${String(bytes.plain).padStart(8)} bytes, ${bytes.zipped} gzipped${limits}`);
  }
  process.exitCode = beyond > 0 ? 1 : 0;
}

/** With the chunks that it imports, at once or when they are wanted. */
function sizeOf(name: string): { plain: number; zipped: number } {
  const names = new Set([name]);
  const texts: string[] = [];
  for (const one of names) {
    const text = readFileSync(join(dist, one), "utf8");
    texts.push(text);
    for (const [, chunk] of text.matchAll(/"\.\/(core-[^"]+)"/g)) names.add(chunk!);
  }
  return {
    plain: texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0),
    zipped: texts.reduce((sum, text) => sum + gzipSync(text).length, 0),
  };
}
