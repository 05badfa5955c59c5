/** Methods of one's own, and those that ship, through the whole program. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Backend, Gate, ok, startBackend } from "../support/backend.ts";
import { fetchOnce } from "../support/client.ts";
import { runSluice, SLOW, startSluice } from "../support/sluice.ts";

const EXAMPLES = fileURLToPath(new URL("../../examples/lbmethod/", import.meta.url));
const example = (name: string): string => readFileSync(join(EXAMPLES, name), "utf8");

/** A configuration of examples/lbmethod on two backends of ours; its plug-in is beside it, in no folder of sluice. */
function conf(name: string, a: Backend, b: Backend): string {
  return example(name)
    .replaceAll(":3001", `:${a.port}`)
    .replaceAll(":3002", `:${b.port}`)
    .replace("127.0.0.1:8080", "127.0.0.1:PORT")
    .replace(/^errorLog.*\n/im, "");
}

const MINE = `
import { defineModule, lbmethod } from "sluice";
export default defineModule({
  name: "mod_lbmethod_mine",
  registerHooks(hooks) {
    hooks.provider(lbmethod, "mine", () => ({ finder: (candidates) => candidates.at(-1) }));
  },
});
`;

const USES_MINE = `
Listen 127.0.0.1:PORT
LoadModule lbmethod_mine_module ./mine.ts
<Proxy "balancer://app">
    BalancerMember "http://127.0.0.1:1"
    ProxySet lbmethod=mine
</Proxy>
ProxyPass "/" "balancer://app/"
`;

describe("examples/lbmethod", () => {
  it("roundrobin: each in turn, whatever its loadfactor", SLOW, async () => {
    await using a = await startBackend(ok("a"));
    await using b = await startBackend(ok("b"));
    const files = { "roundrobin.ts": example("roundrobin.ts") };
    await using sluice = await startSluice(conf("roundrobin.conf", a, b), { files });
    let served = "";
    for (let i = 0; i < 5; i++) served += (await fetchOnce(sluice.port, "/")).text;
    assert.equal(served, "ababa");
  });

  it("packed: the second member only once the first has PackedLimit requests at hand", SLOW, async () => {
    const gates = [new Gate(), new Gate()];
    let held = 0;
    await using a = await startBackend((request) =>
      request.target === "/hold" ? [gates[held++]!.step, ok("a")] : ok("a"),
    );
    await using b = await startBackend(ok("b"));
    const files = { "packed.ts": example("packed.ts") };
    await using sluice = await startSluice(conf("packed.yaml", a, b), { syntax: "yaml", files });
    const get = async (target: string) => (await fetchOnce(sluice.port, target)).text;
    assert.deepEqual([await get("/"), await get("/")], ["a", "a"]);
    const first = get("/hold");
    await gates[0]!.reached();
    assert.equal(await get("/"), "a", "one of two places is free");
    const second = get("/hold");
    await gates[1]!.reached();
    assert.equal(await get("/"), "b", "the first is full");
    for (const gate of gates) gate.open();
    assert.deepEqual([await first, await second, await get("/")], ["a", "a", "a"]);
  });
});

describe("LoadModule of an lbmethod", () => {
  for (const [what, text, error] of [
    ["no default export", "export const mine = 1;", "its default export was not made by defineModule"],
    ["a bare object", "export default { finder() {} };", "its default export was not made by defineModule"],
    ["an exception", 'throw new Error("broken");', "broken"],
    ["a mistake in its text", "\nexport default {{", "[^]*(line 2, column 17|mine.ts:2:17)"],
    ["an import that is not there", 'import "./none.ts";', "none.ts"],
  ] as const) {
    it(`${what} is an error with file and line`, SLOW, async () => {
      const sluice = await runSluice(USES_MINE, { args: ["-t"], files: { "mine.ts": text } });
      assert.equal(sluice.exit, 1);
      // ErrorLog is the first line of a test's configuration.
      assert.ok(sluice.stderr.startsWith(`AH00526: Syntax error on line 4 of ${sluice.confFile}:\n`), sluice.stderr);
      assert.match(sluice.stderr, new RegExp(`Cannot load .*mine\\.ts into server: .*${error}`));
      await sluice.stop();
    });
  }

  it("without it the name is unknown, which the line of the balancer is blamed for", SLOW, async () => {
    const sluice = await runSluice(USES_MINE.replace(/LoadModule.*/, ""), { args: ["-t"] });
    assert.match(sluice.stderr, /unknown lbmethod lbmethod=mine/);
    assert.match(sluice.stderr, /^AH00526: Syntax error on line \d+ of /);
    await sluice.stop();
  });

  it("-M and -L list it, as they list those that ship", SLOW, async () => {
    const files = { "mine.ts": MINE };
    const modules = await runSluice(USES_MINE, { args: ["-M"], files });
    assert.match(modules.stdout, / lbmethod_byrequests_module \(static\)\n[\s\S]* lbmethod_mine_module \(shared\)\n/);
    const directives = await runSluice(USES_MINE, { args: ["-L"], files });
    for (const line of [
      "lbmethod=ewma (mod_lbmethod_ewma.c)",
      "lbmethod=mine (mod_lbmethod_mine.c)",
      "HeartbeatStorage (",
    ]) {
      assert.ok(directives.stdout.includes(line), line);
    }
    await modules.stop();
    await directives.stop();
  });
});

it("lbmethod=hash keeps a user on one member, over connections", SLOW, async () => {
  await using a = await startBackend(ok("a"));
  await using b = await startBackend(ok("b"));
  await using sluice = await startSluice(`
    Listen 127.0.0.1:PORT
    <Proxy "balancer://app">
      BalancerMember "${a.url}"
      BalancerMember "${b.url}"
      ProxySet lbmethod=hash hashkey=header:X-User
    </Proxy>
    ProxyPass "/" "balancer://app/"
  `);
  const seen = new Set<string>();
  for (let user = 0; user < 12; user++) {
    const answers = new Set<string>();
    for (let i = 0; i < 3; i++) answers.add((await fetchOnce(sluice.port, "/", `X-User: user${user}`)).text);
    assert.equal(answers.size, 1);
    seen.add([...answers][0]!);
  }
  assert.equal(seen.size, 2);
});
