/**
 * What the README files show works as pasted: their configurations are started, with other ports, and asked.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ok, startBackend } from "../support/backend.ts";
import { fetchOnce } from "../support/client.ts";
import { SLOW, startSluice } from "../support/sluice.ts";

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
  await using sluice = await startSluice(text, { syntax });
  const served: string[] = [];
  for (const [target, ...fields] of targets) {
    const response = await fetchOnce(sluice.port, target!, ...fields);
    assert.equal(response.status, 200);
    served.push(response.text);
  }
  return served.join("");
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

  for (const page of PAGES) {
    it(`${page}: what it links to is there`, SLOW, () => {
      const missing = [...read(page).matchAll(/\]\(([^)#\s]+)(#[^)\s]*)?\)/g)]
        .map(([, target]) => target!)
        .filter((target) => !/^[a-z]+:/.test(target) && !existsSync(join(ROOT, dirname(page), target)));
      assert.deepEqual(missing, []);
    });
  }
});

describe("plugins/README.md", () => {
  it("shows examples/lbmethod/roundrobin.ts and examples/lbmethod/roundrobin.conf to the letter", SLOW, () => {
    assert.equal(snippets("plugins/README.md", "ts")[0], read("examples/lbmethod/roundrobin.ts"));
    assert.equal(snippets("plugins/README.md", "apache")[0], read("examples/lbmethod/roundrobin.conf"));
  });

  it("its lbmethod takes each member in turn, whatever its loadfactor", SLOW, async () => {
    const conf = read("examples/lbmethod/roundrobin.conf").replace(
      "./roundrobin.ts",
      pathToFileURL(join(ROOT, "examples/lbmethod/roundrobin.ts")).href,
    );
    assert.equal(await elections(conf.replace(/^ErrorLog.*\n/m, ""), "httpd", [FREE, FREE, FREE, FREE, FREE]), "ababa");
  });
});
