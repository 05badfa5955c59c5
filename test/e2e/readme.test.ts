/**
 * What the README files show works as pasted: their configurations are started, with other ports, and asked.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { heartbeat } from "../../plugins/heartbeat/kit.ts";
import { ok, startBackend } from "../support/backend.ts";
import { fetchOnce } from "../support/client.ts";
import { currentRuntime, SLOW, startSluice } from "../support/sluice.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PAGES = [
  "README.md",
  "CONTRIBUTING.md",
  "modules/README.md",
  "plugins/README.md",
  "examples/README.md",
  "examples/recipes/README.md",
  "bench/README.md",
];

/** The fenced blocks of a language, in order. */
function snippets(page: string, language: string): string[] {
  return [...read(page).matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter(([, lang]) => lang === language).map((m) => m[2]!);
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

/** Starts a configuration of the pages on two backends of ours, and answers who served: a or b. */
async function elections(conf: string, syntax: "httpd" | "yaml", targets: readonly (readonly string[])[]) {
  await using a = await startBackend(ok("a"));
  await using b = await startBackend(ok("b"));
  const text = conf
    .replaceAll(":3001", `:${a.port}`)
    .replaceAll(":3002", `:${b.port}`)
    .replace("127.0.0.1:8080", "127.0.0.1:PORT");
  await using sluice = await startSluice(text, { syntax, children: "auto" });
  const served: string[] = [];
  for (const [target, ...fields] of targets) {
    const response = await fetchOnce(sluice.port, target!, ...fields);
    assert.equal(response.status, 200);
    served.push(response.text);
  }
  return served.join("");
}

/** Runs "bun mod.ts ..." as it is written, on the runtime of the test; FILE is a file with this text. */
async function command(line: string, text: string) {
  const dir = mkdtempSync(join(tmpdir(), "sluice-readme-"));
  try {
    const file = join(dir, "httpd.conf");
    writeFileSync(file, text);
    const words = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);
    assert.deepEqual(words.slice(0, 2), ["bun", "mod.ts"]);
    const args = words.slice(1).map((word) => (word === "FILE" ? file : word));
    const child = spawn(process.execPath, currentRuntime === "deno" ? ["run", "-A", ...args] : args, { cwd: ROOT });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (bytes) => void (stdout += bytes));
    child.stderr.on("data", (bytes) => void (stderr += bytes));
    const exit = await new Promise<number | null>((resolve) => child.on("close", resolve));
    return { exit, stdout, stderr };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const FREE = ["/"];
const TO_B = ["/", "Cookie: SESSIONID=x.b"];

describe("README.md", () => {
  for (const [language, syntax] of [
    ["apache", "httpd"],
    ["yaml", "yaml"],
  ] as const) {
    it(`its ${language} configuration balances, and keeps a session on its member`, SLOW, async () => {
      const [conf, ...more] = snippets("README.md", language);
      assert.equal(more.length, 0);
      assert.equal(await elections(conf!, syntax, [FREE, FREE, FREE, FREE]), "abab");
      assert.equal(await elections(conf!, syntax, [TO_B, TO_B, TO_B]), "bbb");
    });
  }

  it("its commands answer for its configuration", SLOW, async () => {
    const conf = snippets("README.md", "apache")[0]!;
    const answers = [
      /starts, as in httpd\. 8 honoured\./,
      /^chosen +http:\/\/127\.0\.0\.1:3002, by the session's route/m,
      /BalancerMember/,
    ];
    const lines = snippets("README.md", "sh").at(-1)!.trim().split("\n");
    assert.equal(lines.length, answers.length);
    for (const [i, line] of lines.entries()) {
      const { exit, stdout, stderr } = await command(line, conf);
      assert.equal(exit, 0, stderr);
      assert.match(stdout, answers[i]!);
    }
  });

  for (const page of PAGES) {
    it(`${page}: what it links to is there`, SLOW, () => {
      const missing = [...read(page).matchAll(/\]\(([^)#\s]+)(#[^)\s]*)?\)/g)]
        .map(([, target]) => target!)
        .filter((target) => !/^[a-z]+:/.test(target) && !existsSync(join(ROOT, dirname(page), target)));
      assert.deepEqual(missing, []);
    });
  }
});

describe("the maps", () => {
  for (const [page, folder] of [
    ["modules/README.md", "modules"],
    ["plugins/README.md", "plugins"],
  ] as const) {
    it(`${page} names every file of ${folder}/`, () => {
      const linked = new Set([...read(page).matchAll(/\]\(([^)#\s]+)\)/g)].map(([, target]) => target!));
      const files = (readdirSync(join(ROOT, folder), { recursive: true }) as string[])
        .map((file) => file.replaceAll("\\", "/"))
        .filter((file) => /\.(ts|tsx|mjs|js|css|html)$/.test(file));
      assert.deepEqual(
        files.filter((file) => !linked.has(file)),
        [],
      );
    });
  }
});

describe("plugins/README.md", () => {
  it("shows examples/lbmethod/roundrobin.ts and examples/lbmethod/roundrobin.conf to the letter", SLOW, () => {
    assert.equal(snippets("plugins/README.md", "ts")[0], read("examples/lbmethod/roundrobin.ts"));
    assert.equal(snippets("plugins/README.md", "apache")[0], read("examples/lbmethod/roundrobin.conf"));
  });

  it("shows examples/request_id.ts, by which a request has an id, the client's or a new one", SLOW, async () => {
    assert.equal(snippets("plugins/README.md", "ts")[1], read("examples/request_id.ts"));
    await using backend = await startBackend((request) => ok(request.field("x-request-id") ?? ""));
    const conf = read("examples/request_id.conf")
      .replace("./request_id.ts", pathToFileURL(join(ROOT, "examples/request_id.ts")).href)
      .replaceAll(":3001", `:${backend.port}`)
      .replace("127.0.0.1:8080", "127.0.0.1:PORT");
    await using sluice = await startSluice(conf);
    const given = await fetchOnce(sluice.port, "/x", "X-Request-Id: mine");
    assert.deepEqual([given.text, given.field("x-request-id")], ["mine", "mine"]);
    const made = await fetchOnce(sluice.port, "/x");
    assert.match(made.text, /^[\da-f-]{36}$/);
    assert.equal(made.field("x-request-id"), made.text);
    await sluice.stop();
    assert.match(sluice.stdout, new RegExp(`/x 200 mine\n.* /x 200 ${made.text}\n`));
  });

  it("its backend has what the snippet takes of the kit", async () => {
    const [snippet] = snippets("plugins/README.md", "js");
    assert.match(snippet!, /heartbeat\(\{ to: "udp:\/\/239\.0\.0\.1:27999", capacity: 100 \}\)/);
    const beat = heartbeat({ to: "udp://127.0.0.1:9", capacity: 100 });
    try {
      const served = beat.fetch(() => new Response("hello"));
      assert.equal(await (await served()).text(), "hello");
      assert.equal(typeof beat.hono, "function");
    } finally {
      await beat.stop();
    }
  });

  it("its lbmethod takes each member in turn, whatever its loadfactor", SLOW, async () => {
    const conf = read("examples/lbmethod/roundrobin.conf").replace(
      "./roundrobin.ts",
      pathToFileURL(join(ROOT, "examples/lbmethod/roundrobin.ts")).href,
    );
    assert.equal(await elections(conf.replace(/^ErrorLog.*\n/m, ""), "httpd", [FREE, FREE, FREE, FREE, FREE]), "ababa");
  });
});
