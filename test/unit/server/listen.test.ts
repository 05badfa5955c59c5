/** Listen: what is taken, what is refused, and what to write instead. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ConfigError, formatConfigError } from "../../../modules/config/directive.ts";
import { VirtualClock } from "../../support/clock.ts";
import { TestGeneration } from "../../support/generation.ts";

/** As it is printed, without its place; "": it is taken. */
function refusal(text: string): string {
  try {
    new TestGeneration(text, new VirtualClock());
    return "";
  } catch (error) {
    return formatConfigError(error as ConfigError, "sluice")
      .split("\n")
      .slice(1)
      .join("\n");
  }
}

describe("Listen", () => {
  for (const path of ["/run/app.sock", "./app.sock", "run/app.sock", "app.sock"]) {
    it(`${path}: no port, as in httpd, and how a unix socket is written`, () =>
      assert.equal(
        refusal(`Listen ${path}`),
        `Port must be specified\n    Listen ${path}\n           ^\nA unix socket is Listen unix:${path}`,
      ));
  }

  // httpd takes it, and cannot start.
  it("/run/app.sock:80: the same", () =>
    assert.equal(
      refusal("Listen /run/app.sock:80"),
      "Listen setup failed\n    Listen /run/app.sock:80\n           ^\nA unix socket is Listen unix:/run/app.sock",
    ));

  for (const [arg, text] of [
    ["abc", "Port must be specified"],
    ["127.0.0.1:", "Port must be specified"],
    ["127.0.0.1:0", "Invalid address or port"],
  ] as const) {
    it(`${arg}: refused without a hint`, () =>
      assert.match(refusal(`Listen ${arg}`), new RegExp(`^${text}\n.*\n *\\^$`)));
  }

  it("a unix socket twice, however it is written", () => {
    for (const path of ["unix:/run/a", "UNIX:/run/a"])
      assert.match(
        refusal(`Listen unix:/run/a\nListen ${path}`),
        /^Cannot define multiple Listeners on the same IP:port/,
      );
    assert.equal(refusal("Listen unix:/run/a\nListen unix:/run/b"), "");
  });
});
