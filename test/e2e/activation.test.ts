/** Listeners that are handed over: taken by their addresses, and kept from one program to the next without loss. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import { loadDup } from "../../modules/mpm/dup.ts";
import { listeningTcp, ownSockets } from "../../modules/mpm/proc_net.ts";
import { type Backend, ok, startBackend } from "../support/backend.ts";
import { fetchOnce } from "../support/client.ts";
import { runSluice, SLOW, type Sluice, startSluice } from "../support/sluice.ts";

/** As a supervisor does. */
const HAND_OVER = "export LISTEN_FDS=1 LISTEN_FDNAMES=web LISTEN_PID=$$;";

let backend: Backend;

before(async () => {
  backend = await startBackend(() => ok("a"));
});

after(() => backend.stop());

/** A listener from which nobody accepts, as a supervisor has it. */
async function listener(): Promise<{ port: number; fd: number; close: () => void }> {
  const { dup, close } = (await loadDup())!;
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const inode = [...listeningTcp()!].find(([, socket]) => socket.port === port)![0];
  const fd = [...ownSockets()].find(([, own]) => own === inode)![0];
  const kept = dup(fd);
  server.close();
  return { port, fd: kept, close: () => close(kept) };
}

const conf = (port: number, more = "") => `
Listen 127.0.0.1:${port}
ServerName localhost
PidFile DIR/pid
${more}
ProxyPass "/" "${backend.url}/"
`;

for (const children of [1, 2]) {
  test(`a listener that was handed over serves ${children} children; the log says which`, SLOW, async () => {
    const { port, fd, close } = await listener();
    await using sluice = await startSluice(conf(port, `StartServers ${children}`), {
      ready: port,
      inherit: [fd],
      shell: `${HAND_OVER} exec "$@"`,
    });
    close();
    await sluice.untilLog(`listeners that were handed over: 127.0.0.1:${port} (fd 3, web)`);
    for (let i = 0; i < 3; i++) assert.equal((await fetchOnce(port, "/")).text, "a");
    // A reload must want the same.
    sluice.writeConf(conf(port, `StartServers ${children}\nListen 127.0.0.1:PORT`));
    sluice.signal("SIGUSR1");
    await sluice.untilLog(/nothing was changed: .*Listen 127\.0\.0\.1:\d+: no such socket was handed over/);
    sluice.writeConf(conf(port, `StartServers ${children}\nHeader set X-More yes`));
    sluice.signal("SIGUSR1");
    await sluice.untilLog(/added: Header[\s\S]*AH00489/);
    assert.equal((await fetchOnce(port, "/")).field("x-more"), "yes");
  });
}

test("what does not fit is refused, with the line and what was handed over", SLOW, async () => {
  const { port, fd, close } = await listener();
  const options = { inherit: [fd], shell: `${HAND_OVER} exec "$@"` };
  const other = await runSluice("\nListen 127.0.0.1:PORT", options);
  assert.equal(other.exit, 1);
  assert.match(other.stderr, /line 3 of .*httpd\.conf:\n?.*Listen 127\.0\.0\.1:\d+: no such socket was handed over/);
  assert.match(other.stderr, new RegExp(`LISTEN_FDS names 127\\.0\\.0\\.1:${port} \\(fd 3, web\\)`));
  const more = await runSluice(conf(port), {
    inherit: [fd],
    shell: `${HAND_OVER} export LISTEN_FDS=2; exec "$@" 4<&-`,
  });
  assert.equal(more.exit, 1);
  assert.match(more.stderr, /LISTEN_FDS hands over fd 4, which is no listening socket/);
  close();
});

test("LISTEN_FDS of another process is not ours", SLOW, async () => {
  await using sluice = await startSluice(conf(0).replace(":0", ":PORT"), {
    shell: 'export LISTEN_FDS=1 LISTEN_PID=1; exec "$@"',
  });
  await sluice.untilLog(/LISTEN_FDS is for process 1, this one is \d+: it is ignored/);
  assert.equal((await fetchOnce(sluice.port, "/")).text, "a");
});

for (const children of [1, 2, 4]) {
  test(`a program of ${children} children takes the place of another one, and no request is lost`, SLOW, () =>
    takesOver(children),
  );
}

async function takesOver(children: number): Promise<void> {
  const { port, fd, close } = await listener();
  // The shell is the supervisor: it keeps the listener, and starts the next program when the last one has ended.
  const inner = `${HAND_OVER} exec "$@"`;
  await using sluice = await startSluice(conf(port, `StartServers ${children}`), {
    ready: port,
    inherit: [fd],
    shell: `for i in 1 2 3; do sh -c '${inner}' sh "$@"; done`,
  });
  close();
  await sluice.untilFile("pid", /\d+/);
  let stop = false;
  let served = 0;
  const failed: string[] = [];
  const load = Array.from({ length: 4 }, async () => {
    while (!stop) {
      try {
        const { status, text } = await fetchOnce(port, "/");
        served++;
        if (status !== 200 || text !== "a") failed.push(String(status));
      } catch (error) {
        failed.push((error as Error).message);
      }
    }
  });
  const starts = () => sluice.errorLog.split("AH00489").length - 1;
  for (let i = 1; i < 3; i++) {
    process.kill(pidOf(sluice), "SIGWINCH");
    await sluice.untilLog(new RegExp(`(AH00489[\\s\\S]*){${i + 1}}`));
    const before = served;
    while (served < before + 50) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  stop = true;
  await Promise.all(load);
  // The last one would outlive the shell.
  process.kill(pidOf(sluice), "SIGTERM");
  await sluice.exited;
  assert.equal(starts(), 3);
  assert.deepEqual(failed, []);
}

function pidOf(sluice: Sluice): number {
  return Number(sluice.file("pid").trim());
}
