/** BalancerPersist: what an operator changed, over a reload, a restart and a damaged file. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { BalancerState } from "../../modules/mod.ts";
import { sluiceApi } from "../../plugins/balancer_manager/client.ts";
import { type Backend, ok, startBackend } from "../support/backend.ts";
import { fetchOnce } from "../support/client.ts";
import { within } from "../support/message.ts";
import { Chance } from "../support/mutate.ts";
import { SLOW, type Sluice, startSluice } from "../support/sluice.ts";

let runtimeDir: string;
let backend: Backend;

before(async () => {
  runtimeDir = mkdtempSync(join(tmpdir(), "sluice-persist-"));
  backend = await startBackend(ok("x"));
});
after(async () => {
  rmSync(runtimeDir, { recursive: true, force: true });
  await backend?.stop();
});

const conf = (persist: string, loadFactor = 1, growth = "growth=1"): string => `
  Listen 127.0.0.1:PORT
  ServerName proxy.test
  DefaultRuntimeDir ${runtimeDir}
  BalancerPersist ${persist}
  <Proxy "balancer://app">
    BalancerMember "${backend.url}" route=a loadfactor=${loadFactor}
    BalancerMember "http://127.0.0.1:1" route=b
    ProxySet nonce=abc ${growth}
  </Proxy>
  ProxyPass "/app" "balancer://app/"
  <Location "/api">
    SetHandler sluice-api
    Require local
  </Location>
`;

const api = (sluice: Sluice) => sluiceApi(`http://127.0.0.1:${sluice.port}/api`);
const state = async (sluice: Sluice): Promise<BalancerState> => (await api(sluice).state()).balancers[0]!;

/** Reads the configuration anew, and resolves once it serves. */
async function reload(sluice: Sluice, text: string): Promise<void> {
  const before = sluice.errorLog.split("AH00489").length;
  sluice.writeConf(text);
  sluice.signal("SIGUSR1");
  await sluice.untilFile("error.log", new RegExp(`(?:AH00489[^]*){${before}}`));
}

async function change(sluice: Sluice): Promise<void> {
  const [first, second] = (await state(sluice)).members;
  await fetchOnce(sluice.port, "/app/x");
  await api(sluice).setMember("app", first!.id, { draining: true, loadFactor: 9, route: "z", timeoutMs: 500 });
  await api(sluice).setMember("app", second!.id, { disabled: true });
  await api(sluice).setBalancer("app", {
    lbmethod: "bybusyness",
    stickySession: "A",
    stickyPath: "b",
    timeoutMs: 2000,
  });
  await api(sluice).addMember("app", "http://127.0.0.1:2", { disabled: false, standby: true });
}

/** What is the same after a restart; addresses of sockets and times are not. */
function kept({ settings, members }: BalancerState): unknown {
  const same = members.map(({ pool: _, observed: __, traffic: ___, changed: ____, ...member }) => member);
  return { settings, members: same.map((member) => ({ ...member, configured: "" })) };
}

test("changes outlive a reload, a stop and a start, and outrank the configuration", async () => {
  let sluice = await startSluice(conf("On"));
  await change(sluice);
  const before = await state(sluice);
  assert.equal(before.members[0]!.elected, 1);
  await reload(sluice, conf("On", 5));
  const reloaded = await state(sluice);
  assert.deepEqual(
    reloaded.members.map(({ settings, elected, added, lbstatus }) => ({ settings, elected, added, lbstatus })),
    before.members.map(({ settings, elected, added, lbstatus }) => ({ settings, elected, added, lbstatus })),
  );
  assert.deepEqual(reloaded.settings, before.settings);
  await sluice.stop();

  sluice = await startSluice(conf("On", 7));
  assert.deepEqual(kept(await state(sluice)), kept(reloaded));
  // Who wonders why a change of the file has no effect finds it in the log.
  await sluice.untilLog(/BalancerPersist: balancer:\/\/app http:\S+: .*, not /);
  await sluice.untilLog(/BalancerPersist: balancer:\/\/app http:\S+: added/);
  await sluice.stop();

  // Room for a member less: the one that was added is gone, and the log says so.
  sluice = await startSluice(conf("On", 1, ""));
  assert.equal((await state(sluice)).members.length, 2);
  await sluice.untilLog("added before the restart, is gone");
  await sluice.stop();
});

test("a file that is damaged is reported and set aside, and the configuration counts", async () => {
  const [name] = readdirSync(runtimeDir).filter((file) => file.endsWith(".json"));
  const path = join(runtimeDir, name!);
  writeFileSync(path, readFileSync(path, "utf8").replace(/"lbset":0/, '"lbset":1'));
  await using sluice = await startSluice(conf("On"));
  await sluice.untilLog(/is damaged and was set aside as .*\.json\.damaged: the digest is wrong/);
  assert.deepEqual(
    (await state(sluice)).members.map(({ status }) => status),
    ["Init Ok ", "Init Ok "],
  );
  assert.deepEqual(
    readdirSync(runtimeDir).filter((file) => file.endsWith(".damaged")),
    [`${name}.damaged`],
  );
});

async function until(reached: () => boolean): Promise<void> {
  while (!reached()) await new Promise((resolve) => setTimeout(resolve, 1));
}

for (const [children, rounds] of [
  [1, 4],
  [2, 2],
] as const) {
  test(
    `kill -9 at any moment, ${children} children: what was acknowledged is kept, and no file is damaged`,
    SLOW,
    async () => {
      const chance = new Chance(Date.now() % 1_000_000_007);
      let least = 1;
      for (let round = 0; round < rounds; round++) {
        const sluice = await startSluice(conf("On", 1).replace("nonce=abc", `nonce=kill${children}`), {
          children,
        });
        if (children > 1) await sluice.untilLog("children serve");
        const { id, settings } = (await state(sluice)).members[0]!;
        assert.ok(
          settings.loadFactor >= least,
          `round ${round}: ${settings.loadFactor} after ${least}\n${sluice.errorLog}`,
        );
        assert.doesNotMatch(sluice.errorLog, /damaged/);
        let next = settings.loadFactor;
        let alive = true;
        const changes = (async () => {
          while (alive && next < 99) {
            try {
              await api(sluice).setMember("app", id, { loadFactor: ++next });
              least = next;
            } catch {
              alive = false;
            }
          }
        })();
        await within(
          until(() => least > settings.loadFactor),
          () => "a change",
        );
        await new Promise((resolve) => setTimeout(resolve, chance.int(60)));
        await sluice.stop("SIGKILL");
        await changes;
      }
    },
  );
}

test("without BalancerPersist a reload takes back what was changed", async () => {
  await using sluice = await startSluice(conf("Off"));
  await change(sluice);
  await reload(sluice, conf("Off"));
  const { members, settings } = await state(sluice);
  assert.deepEqual([members.length, members[0]!.status, settings.lbmethod], [2, "Init Ok ", "byrequests"]);
  assert.equal((await api(sluice).audit()).entries.length, 4);
  await assert.rejects(api(sluice).undo(), /nothing to take back/);
});
