/**
 * The package as it is packed, in a project that has it below node_modules, and the examples of embedding, on the runtime of the test.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import vm from "node:vm";
import { transformSync } from "esbuild";
import { type Backend, freePort, ok, startBackend } from "../support/backend.ts";
import { currentRuntime } from "../support/sluice.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Packing builds first, on a machine that may be busy. */
const SLOW = { timeout: 120_000 };
let one: Backend;
let two: Backend;
let project = "";
let packed: string[];

before(async () => {
  one = await startBackend((request) => ok(`one ${request.target}`));
  two = await startBackend((request) => ok(`two ${request.target}`));
});

/** Packs once, within the first test that needs it: Bun gives no hook more than five seconds. */
function pack(): string {
  if (project !== "") return project;
  project = mkdtempSync(join(tmpdir(), "sluice-project-"));
  const modules = join(project, "node_modules");
  mkdirSync(modules);
  spawnSync("tar", ["xzf", archive()], { cwd: modules });
  spawnSync("mv", ["package", "sluice"], { cwd: modules });
  packed = (readdirSync(join(modules, "sluice"), { recursive: true }) as string[]).filter((n) => !n.includes("types"));
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  for (const name of Object.keys(dependencies)) symlinkSync(join(ROOT, "node_modules", name), join(modules, name));
  writeFileSync(join(project, "package.json"), '{ "type": "module", "dependencies": { "sluice": "*" } }');
  return project;
}

/** The package's file. One that was made of the same sources, be it on the other runtime, is as good as a new one. */
function archive(): string {
  const sum = createHash("sha1");
  const sources = ["modules", "plugins", "scripts"].flatMap((folder) =>
    (readdirSync(join(ROOT, folder), { recursive: true }) as string[]).map((name) => join(folder, name)),
  );
  for (const name of [...sources, ...readdirSync(ROOT)].sort()) {
    const path = join(ROOT, name);
    if (statSync(path).isFile()) sum.update(`${name}\n`).update(readFileSync(path));
  }
  const cache = join(ROOT, "node_modules/.cache/sluice-pack");
  const path = join(cache, `${sum.digest("hex")}.tgz`);
  if (existsSync(path)) return path;
  rmSync(cache, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  const npm = spawnSync("npm", ["pack", ROOT, "--silent", "--pack-destination", project], { encoding: "utf8" });
  assert.equal(npm.status, 0, npm.stderr);
  copyFileSync(join(project, readdirSync(project).find((name) => name.endsWith(".tgz"))!), `${path}.new`);
  renameSync(`${path}.new`, path);
  return path;
}

after(async () => {
  await one.stop();
  await two.stop();
  if (project !== "") rmSync(project, { recursive: true });
});

/** Serves a file by `bun run` or `deno serve` until the end of a test; answers its URL. */
async function serve(file: string, env: Record<string, string> = {}, options: string[] = []) {
  const port = await freePort();
  const command =
    currentRuntime === "bun"
      ? ["run", file]
      : ["serve", "-A", "--port", String(port), "--host", "127.0.0.1", ...options, file];
  const child: ChildProcess = spawn(process.execPath, command, {
    cwd: ROOT,
    env: { ...process.env, ...env, PORT: String(port) },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr!.on("data", (bytes) => {
    stderr += bytes;
  });
  const exited = new Promise((resolve) => child.on("close", resolve));
  return {
    /** Asks until it answers: an example says nowhere that it listens. */
    async get(url: string): Promise<string> {
      const target = url.replace("PORT", String(port));
      const deadline = Date.now() + 10_000;
      for (;;) {
        try {
          return await (await fetch(target)).text();
        } catch (error) {
          if (child.exitCode !== null || Date.now() > deadline) throw new Error(`${error}\n${stderr}`);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      }
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) process.kill(child.pid!, "SIGKILL"); // `deno serve` waits for idle connections otherwise
      await exited;
    },
  };
}

/** An example with other ports, in a file beside it, so that its imports mean the same. */
function example(name: string, ports: Readonly<Record<string, number>>): { file: string } & Disposable {
  let text = readFileSync(join(ROOT, "examples", name), "utf8");
  for (const [from, to] of Object.entries(ports)) text = text.replaceAll(`:${from}`, `:${to}`);
  const file = join(ROOT, "examples", name.replace(/\.ts$/, `.${process.pid}.test-copy.ts`));
  writeFileSync(file, text);
  return { file, [Symbol.dispose]: () => rmSync(file) };
}

const backends = () => ({ 3001: one.port, 3002: two.port });

describe("the examples", () => {
  test("examples/hono/app.ts: the balancer below /api/, the application elsewhere", SLOW, async () => {
    using copy = example("hono/app.ts", backends());
    await using app = await serve(copy.file);
    assert.equal(await app.get("http://127.0.0.1:PORT/"), "the application");
    assert.equal(await app.get("http://127.0.0.1:PORT/api/a?b"), "one /v1/a?b");
    assert.equal(await app.get("http://127.0.0.1:PORT/api/a?b"), "two /v1/a?b");
  });

  test("examples/edge/deno.ts", SLOW, async (t) => {
    if (currentRuntime !== "deno") return t.skip("for Deno");
    const BACKENDS = `${one.url},${two.url}`;
    await using app = await serve("examples/edge/deno.ts", { BACKENDS });
    assert.equal(await app.get("http://127.0.0.1:PORT/x"), "one /x");
    await using many = await serve("examples/edge/deno.ts", { BACKENDS }, ["--parallel"]);
    assert.match(await many.get("http://127.0.0.1:PORT/x"), /^(one|two) \/x$/);
  });

  test("examples/edge/bun.ts", SLOW, async (t) => {
    if (currentRuntime !== "bun") return t.skip("for Bun");
    const port = await freePort();
    using copy = example("edge/bun.ts", { ...backends(), 8080: port });
    await using app = await serve(copy.file);
    assert.equal(await app.get(`http://127.0.0.1:${port}/x`), "one /x");
    assert.equal(await app.get(`http://127.0.0.1:${port}/x`), "two /x");
  });
});

test(
  "a handler that waits for nothing but its timers keeps no program from ending: so deno serve ends at SIGTERM",
  SLOW,
  async () => {
    const conf = `<Proxy balancer://a>\nBalancerMember ${one.url}\n</Proxy>\nProxyPass / balancer://a/`;
    const code = `const { createHandler } = await import(${JSON.stringify(pathToFileURL(join(ROOT, "mod.ts")).href)});
    await createHandler(${JSON.stringify(conf)}); console.log("made");`;
    const args = currentRuntime === "bun" ? ["-e", code] : ["eval", code];
    const child = spawnSync(process.execPath, args, { cwd: ROOT, encoding: "utf8", timeout: 10_000 });
    assert.deepEqual([child.stdout, child.status], ["made\n", 0], child.stderr);
  },
);

describe("the package", () => {
  test("has JavaScript, declarations and the launcher, and no sources", SLOW, () => {
    pack();
    const code = packed.filter((name) => /\.(m?[jt]s|json)$/.test(name)).map((name) => name.replace(/-\w{8}\./, "."));
    assert.deepEqual([...new Set(code)].sort(), [
      "dist/client.mjs",
      "dist/core.js",
      "dist/edge.js",
      "dist/heartbeat.mjs",
      "dist/hono.js",
      "dist/mod.js",
      "dist/modules.js",
      "modules/launch.mjs",
      "package.json",
    ]);
  });

  test("serves as a handler, and as the program, below node_modules", SLOW, async () => {
    const file = join(pack(), "app.js");
    const text = `import { createHandler } from "sluice"; import { sluice } from "sluice/hono";
      if (typeof sluice !== "function") throw new Error("no middleware");
      const port = (globalThis.process ?? {}).env.PORT;
      export default await createHandler("Listen 127.0.0.1:" + port + "\\nProxyPass / ${one.url}/");`;
    writeFileSync(file, text);
    await using app = await serve(file);
    assert.equal(await app.get("http://127.0.0.1:PORT/x"), "one /x");
    const conf = join(project, "httpd.conf");
    writeFileSync(conf, `Listen 8080\nServerName a\nProxyPass / ${one.url}/\n`);
    const launcher = join(project, "node_modules/sluice/modules/launch.mjs");
    const run = spawnSync("node", [launcher, "-t", "-f", conf], {
      cwd: project,
      encoding: "utf8",
      env: { ...process.env, SLUICE_RUNTIME: process.execPath },
    });
    assert.match(run.stderr, /Syntax OK/);
  });

  test("its declarations are enough for a project", SLOW, () => {
    writeFileSync(
      join(pack(), "use.ts"),
      `import { createHandler, defineConfig, defineModule, type Handler } from "sluice";
       import { sluice } from "sluice/hono";
       import { createHandler as edge } from "sluice/edge";
       export const a: Promise<Handler> = createHandler(defineConfig({ proxyPass: "/ http://a/" }));
       export const b = [sluice("ProxyPass / http://a/"), edge(""), defineModule];
       // @ts-expect-error a port is no object
       createHandler({ listen: { no: () => 1 } });`,
    );
    // Without the types of any runtime; and with those of Node alone, looking into the declarations, too.
    const roots = ["--typeRoots", join(ROOT, "node_modules/@types")];
    for (const types of [
      ["--skipLibCheck", "--types", ""],
      ["--types", "node", ...roots],
    ]) {
      const options = ["--noEmit", "--strict", "--module", "preserve", "--target", "es2024", ...types];
      const tsc = spawnSync(join(ROOT, "node_modules/.bin/tsc"), [...options, "use.ts"], {
        cwd: project,
        encoding: "utf8",
      });
      assert.equal(tsc.stdout, "");
    }
  });

  test("dist/edge.js serves in a realm that has the web's interfaces and nothing else", SLOW, async () => {
    const source = readFileSync(join(pack(), "node_modules/sluice/dist/edge.js"), "utf8");
    const statement = /(?:^|[;}])import[{*"\s][^;]{0,80}/.exec(source)?.[0];
    assert.equal(statement, undefined);
    const web = {
      ...{ fetch, Request, Response, Headers, URL, URLSearchParams, ReadableStream, WebSocket, AbortController },
      ...{
        TextEncoder,
        TextDecoder,
        setTimeout,
        clearTimeout,
        queueMicrotask,
        performance,
        crypto,
        console,
        Uint8Array,
      },
      ...{ ArrayBuffer, atob, btoa },
    };
    const realm = vm.createContext({ ...web });
    const script = transformSync(source, { format: "iife", globalName: "sluice" }).code;
    const names = "typeof process + typeof Buffer + typeof Bun + typeof Deno + typeof require";
    assert.equal(vm.runInContext(names, realm), "undefined".repeat(5));
    vm.runInContext(`${script}\nglobalThis.sluice = sluice;`, realm);
    const config = `StickyCookieKey 0123456789012345678901234567890123456789
      <Proxy balancer://app>
        BalancerMember ${one.url} route=a
        ProxySet "stickycookie=SRV; HttpOnly"
      </Proxy>
      ProxyPass / balancer://app/`;
    const made = vm.runInContext(`sluice.createHandler(${JSON.stringify(config)})`, realm) as Promise<{
      fetch(request: Request): Promise<Response>;
      close(): Promise<void>;
    }>;
    const handler = await made;
    const response = await handler.fetch(new Request("https://a.example/x?y"));
    assert.equal(await response.text(), "one /x?y");
    assert.match(response.headers.get("set-cookie") ?? "", /^SRV=[^;]+; /);
    await handler.close();
  });
});
