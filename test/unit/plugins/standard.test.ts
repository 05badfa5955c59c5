import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { LaterModule, later, loadAll, type Shipped } from "../../../modules/core/shipped.ts";
import { defineModule } from "../../../modules/mod.ts";
import { loadConfig } from "../../../modules/mpm/load.ts";
import { standardPlugins } from "../../../plugins/standard.ts";
import { standardModules } from "../../support/modules.ts";

const LATER = standardPlugins.filter((one) => one instanceof LaterModule);

/** Reads a configuration with the core and `shipped`. @throws ConfigError */
async function read(text: string, shipped: Shipped) {
  const dir = mkdtempSync(join(tmpdir(), "sluice-later-"));
  try {
    const file = join(dir, "a.conf");
    writeFileSync(file, `Listen 127.0.0.1:80\nServerName localhost\nErrorLog ${join(dir, "e")}\n${text}\n`);
    const core = standardModules.filter((module) => !standardPlugins.some(({ name }) => name === module.name));
    const modules = [...core, ...shipped];
    const loaded = await loadConfig({ file, serverRoot: dir, defines: [], before: [], after: [], modules }, 0);
    loaded.logs.release();
    return loaded.process.modules.map((module) => module.name);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** A module with one directive, that counts how often it is loaded. */
function counted(wanted: RegExp, name = "mod_counted", directive = "Counted") {
  const module = defineModule({
    name,
    commands: ({ raw }) => [raw(directive, "any", () => undefined, "nothing")],
  });
  const count = { loads: 0 };
  const shipped = later(name, wanted, () => {
    count.loads++;
    return Promise.resolve({ default: module });
  });
  return { shipped, count };
}

const STATIC = /^(?:import|export) (?!type )(?:[\w$*, ]*(?:\{[^}]*\} |\* as \w+ |\w+ |\* ))?(?:from )?"([^"]+)"/gm;

/** The files and packages that a file of ours imports, and those that they import; what is imported when it is wanted is not. */
function importedBy(file: URL, all = new Set<string>()): Set<string> {
  if (all.has(file.href)) return all;
  all.add(file.href);
  for (const [, name] of readFileSync(file, "utf8").matchAll(STATIC)) {
    if (name!.endsWith(".ts")) importedBy(new URL(name!, file), all);
    else all.add(name!);
  }
  return all;
}

describe("the modules that ship", () => {
  it("have each directive once", async () => {
    const owners = new Map<string, string[]>();
    for (const { name, commands } of await loadAll(standardModules))
      for (const command of commands) owners.set(command.name, [...(owners.get(command.name) ?? []), name]);
    assert.deepEqual(
      [...owners].filter(([, names]) => names.length > 1),
      [["HeartbeatStorage", ["mod_lbmethod_heartbeat", "mod_heartmonitor"]]], // as in httpd: one writes it, one reads it
    );
  });
});

describe("the modules that are loaded later", () => {
  it("are not loaded by the start of the program, nor is a package", () => {
    const root = new URL("../../../", import.meta.url);
    const all = [...importedBy(new URL("mod.ts", root))];
    assert.ok(all.includes(new URL("modules/proxy/mod_proxy.ts", root).href));
    assert.deepEqual(
      all.filter((name) => !/^(file|node):/.test(name)),
      [],
    );
    const early = LATER.map(({ name }) => `${name}.ts`).filter((file) => all.some((href) => href.endsWith(`/${file}`)));
    assert.deepEqual(early, []);
  });

  it("have the names that the list says, and are wanted by each of their directives", async () => {
    for (const shipped of LATER) {
      const module = await shipped.load();
      assert.equal(module.name, shipped.name);
      for (const { name } of module.commands) assert.match(name, shipped.wanted, `${name} of ${module.name}`);
    }
  });

  it("stay away from a plain balancer", async () => {
    const fresh = LATER.map(({ name, wanted }) => counted(wanted, name));
    const conf = `LogLevel warn
      <Proxy balancer://app>
        BalancerMember http://127.0.0.1:1 route=a retry=5
        ProxySet lbmethod=byrequests stickysession=ID
      </Proxy>
      ProxyPass / balancer://app/`;
    const always = standardModules.filter(({ name }) => !LATER.some((one) => one.name === name));
    await read(conf, [
      ...always.filter(({ name }) => standardPlugins.some((one) => one.name === name)),
      ...fresh.map((one) => one.shipped),
    ]);
    assert.deepEqual(
      fresh.filter(({ count }) => count.loads > 0).map(({ shipped }) => shipped.name),
      [],
    );
  });

  it("come with a directive of theirs, wherever it stands, and count as loaded before", async () => {
    for (const conf of [
      "Counted a",
      "<VirtualHost *:80>\n<Location /a>\nCounted a\n</Location>\n</VirtualHost>",
      "<IfModule mod_counted.c>\nCounted a\n</IfModule>",
      "<IfModule counted_module>\nCounted a\n</IfModule>",
      "<IfDirective Counted>\nCounted a\n</IfDirective>",
      "Define WHAT Counted\n${WHAT} a",
    ]) {
      const { shipped, count } = counted(/^Counted/);
      assert.ok((await read(conf, [shipped])).includes("mod_counted"), conf);
      assert.equal(count.loads, 1, conf);
    }
  });

  it("come with an argument that asks for them, and not without", async () => {
    const { shipped, count } = counted(/^Counted|counted-handler/);
    assert.ok(!(await read("SetHandler other-handler", [shipped])).includes("mod_counted"));
    assert.equal(count.loads, 0);
    assert.ok((await read("SetHandler counted-handler", [shipped])).includes("mod_counted"));
    assert.equal(count.loads, 1);
  });

  it("come all with a name that nobody knows, so that its error can name the nearest", async () => {
    const { shipped } = counted(/^never$/);
    await assert.rejects(read("Countd a", [shipped]), (error: Error & { hint?: string }) => {
      assert.match(error.message, /Invalid command 'Countd'/);
      assert.match(error.hint ?? "", /Counted/);
      return true;
    });
  });
});
