/**
 * Imports go one way, and only the edges know a runtime: the rules are in support/import_rules.ts, the exceptions here.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { type Exception, violations } from "./support/import_rules.ts";

const EXCEPTIONS: Exception[] = [
  {
    file: "modules/core/clock.ts",
    uses: ["performance", "Math.random", "setTimeout"],
    why: "the only door to time and chance",
  },
];

const ROOT = new URL("../", import.meta.url);

function program(): Map<string, string> {
  const sources = new Map<string, string>();
  const add = (file: string) => sources.set(file, readFileSync(new URL(file, ROOT), "utf8"));
  for (const entry of readdirSync(ROOT)) if (entry.endsWith(".ts")) add(entry);
  for (const folder of ["modules", "plugins"]) {
    for (const entry of readdirSync(new URL(folder, ROOT), { recursive: true }) as string[]) {
      const file = `${folder}/${entry.replaceAll("\\", "/")}`;
      if (/\.tsx?$/.test(file)) add(file);
    }
  }
  return sources;
}

function dependencies(): string[] {
  return Object.keys(JSON.parse(readFileSync(new URL("package.json", ROOT), "utf8")).dependencies);
}

describe("the program", () => {
  it("imports in the order of the folders, without cycles, and names the runtime only at its edges", () => {
    const found = violations(program(), dependencies(), EXCEPTIONS);
    assert.equal(found.length, 0, `\n${found.join("\n")}\n`);
  });
});

describe("violations()", () => {
  const files = (sources: Record<string, string>, exceptions?: Exception[]) =>
    violations(new Map(Object.entries(sources)), ["zod", "@scope/a"], exceptions);
  const one = (file: string, source: string) => files({ [file]: source });
  const importing = (file: string, target: string) =>
    files({
      [target]: "",
      [file]: `import { a } from "${target.replace(/^/, "../".repeat(file.split("/").length - 1) || "./")}";`,
    });

  it("finds a cycle of runtime imports, through any number of files and kinds of import", () => {
    const found = files({
      "modules/core/a.ts": 'import { b } from "./b.ts";',
      "modules/core/b.ts": 'export * from "./c.ts";',
      "modules/core/c.ts": 'const a = await import("./a.ts");',
    });
    assert.deepEqual(found, [
      "modules/core/a.ts:1: runtime imports form a cycle: modules/core/a.ts → modules/core/b.ts → modules/core/c.ts → modules/core/a.ts",
    ]);
  });

  it("lets import type point back within a folder", () => {
    for (const back of [
      'import type { A } from "./a.ts";',
      'import type A from "./a.ts";',
      'export type { A } from "./a.ts";',
      'type A = typeof import("./a.ts");',
    ]) {
      assert.deepEqual(files({ "modules/core/a.ts": 'import "./b.ts";', "modules/core/b.ts": back }), []);
    }
  });

  it("takes import { type A } for what it is, a load of the file", () => {
    const found = files({
      "modules/core/a.ts": 'import "./b.ts";',
      "modules/core/b.ts": 'import { type A } from "./a.ts";',
    });
    assert.match(found[0]!, /cycle/);
  });

  it("refuses an import against the order of the folders, import type included", () => {
    for (const [file, target] of [
      ["modules/core/a.ts", "modules/config/b.ts"],
      ["modules/server/a.ts", "modules/http/b.ts"],
      ["modules/http/a.ts", "modules/net/b.ts"],
      ["modules/proxy/a.ts", "modules/proxy_balancer/b.ts"],
      ["modules/proxy/a.ts", "modules/front/b.ts"],
      ["modules/unheard_of/a.ts", "modules/core/b.ts"],
      ["modules/core/a.ts", "modules/mod.ts"],
      ["modules/proxy/a.ts", "plugins/sticky/b.ts"],
      ["modules/mod.ts", "modules/main.ts"],
      ["modules/main.ts", "plugins/standard.ts"],
      ["plugins/sticky/a.ts", "plugins/lbmethod/b.ts"],
      ["plugins/sticky/a.ts", "modules/core/b.ts"],
      ["plugins/standard.ts", "modules/core/b.ts"],
      ["plugins/sticky/a.ts", "mod.ts"],
    ] as const) {
      assert.match(importing(file, target).join(), /against the order/, `${file} → ${target}`);
    }
    const typed = files({ "modules/core/a.ts": 'import type { B } from "../net/b.ts";', "modules/net/b.ts": "" });
    assert.deepEqual(typed, ["modules/core/a.ts:1: imports modules/net/b.ts, against the order of the folders"]);
  });

  it("allows what the order allows", () => {
    for (const [file, target] of [
      ["mod.ts", "modules/main.ts"],
      ["mod.ts", "plugins/standard.ts"],
      ["modules/main.ts", "modules/mpm/b.ts"],
      ["modules/mod.ts", "modules/proxy/b.ts"],
      ["modules/proxy_balancer/a.ts", "modules/proxy/b.ts"],
      ["modules/mpm/a.ts", "modules/front/b.ts"],
      ["modules/http/a.ts", "modules/http/b.ts"],
      ["plugins/sticky/a.ts", "modules/mod.ts"],
      ["plugins/sticky/a.ts", "plugins/sticky/b.ts"],
      ["plugins/standard.ts", "plugins/sticky/b.ts"],
    ] as const) {
      assert.deepEqual(importing(file, target), [], `${file} → ${target}`);
    }
  });

  it("refuses a file that is not there and a package that is not a dependency", () => {
    assert.match(one("modules/core/a.ts", 'import "./gone.ts";').join(), /does not exist/);
    assert.match(one("modules/core/a.ts", 'import "esbuild";').join(), /not in "dependencies"/);
    assert.deepEqual(one("modules/core/a.ts", 'import { z } from "zod/v4"; import "@scope/a/b";'), []);
  });

  it("refuses node: in the pure folders and allows it at the edges", () => {
    for (const file of ["modules/core/a.ts", "modules/proxy/a.ts", "plugins/lbmethod/a.ts", "plugins/sticky/a.ts"]) {
      assert.match(one(file, 'import type { Socket } from "node:net";').join(), /imports node:net/);
    }
    for (const file of ["modules/net/node.ts", "modules/main.ts", "plugins/slotmem/a.ts"]) {
      assert.deepEqual(one(file, 'import { connect } from "node:net";'), []);
    }
  });

  it("refuses the runtime's names in the pure folders", () => {
    for (const use of [
      "process.env.A",
      "x = Bun.version",
      "typeof Deno",
      "Buffer.from(x)",
      "setTimeout(f, 1)",
      "f(); setInterval(f, 1)",
      "t = Date.now()",
      "new Date()",
      "new Date",
      "Math.random()",
      "performance.now()",
      "crypto.randomUUID()",
      "globalThis.x",
      "`a ${ process.pid } b`",
      "a ? process : b",
      "x / 2; process.pid / 3",
    ]) {
      assert.equal(one("modules/server/a.ts", `\n${use};`).length, use.match(/process/g)?.length ?? 1, use);
      if (!use.startsWith("Buffer")) assert.deepEqual(one("modules/mpm/a.ts", use), [], use);
    }
  });

  it("takes comments, strings, regular expressions, properties and own names for no use of them", () => {
    for (const source of [
      "// process.env",
      "/* Bun\n Deno */",
      '"process" + \'Bun\' + "\\"Deno"',
      "`process ${a} Bun`",
      "x.replace(/'process\"/g, y)",
      "return /[/]process/.test(x)",
      "worker.process(x); a?.crypto",
      "const o = { process: 1, crypto: 2 }",
      "class A { process(r: R): void {} async crypto() {} }",
      "const process = next(); process(x)",
      "type X = { import: 1; export: 2 }",
      "class A { x(): void {} process!: P; readonly crypto: C; private Bun?: B; }",
      "function f(process: number) { return process; }",
      "new Date(0); Math.min(1, 2); Date.UTC(1)",
    ]) {
      assert.deepEqual(one("modules/server/a.ts", source), [], source);
    }
  });

  it("allows Buffer in net, front, mpm and main.ts only", () => {
    for (const file of ["modules/net/node.ts", "modules/front/net.ts", "modules/mpm/child.ts", "modules/main.ts"]) {
      assert.deepEqual(one(file, "Buffer.alloc(1)"), []);
    }
    for (const file of ["modules/http/head.ts", "modules/watchdog/a.ts", "plugins/proxy_http/a.ts"]) {
      assert.match(one(file, "Buffer.alloc(1)").join(), /uses Buffer/);
    }
  });

  it("counts lines through comments, templates and strings", () => {
    assert.match(one("modules/core/a.ts", "/*\n*/`\n${1}\n`;\nprocess.pid").join(), /^modules\/core\/a\.ts:5:/);
  });

  it("honours an exception, and refuses one that nothing needs", () => {
    const exception = { file: "modules/http/head.ts", uses: ["Buffer"], why: "a test" };
    assert.deepEqual(files({ "modules/http/head.ts": "Buffer.alloc(1)" }, [exception]), []);
    assert.match(files({ "modules/http/head.ts": "" }, [exception]).join(), /not needed any more/);
    assert.match(files({ "modules/http/head.ts": "Buffer.a; process.b" }, [exception]).join(), /uses process/);
  });
});
