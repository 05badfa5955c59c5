import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type BalancerSettings,
  parseBalancerParam,
  parseWorkerParam,
  type WorkerSettings,
} from "../../../modules/proxy/params.ts";

describe("parseWorkerParam()", () => {
  for (const [key, value, expected] of [
    ["LoadFactor", "1.005", { lbfactor: 100 }],
    ["loadfactor", "99.999", { lbfactor: 9999 }],
    ["loadfactor", "100.001", { lbfactor: 10000 }],
    ["retry", "0", { retryMs: 0 }],
    ["retry", "5", { retryMs: 5000 }],
    ["retry", "5min", { retryMs: 300_000 }],
    ["retry", "abc", { retryMs: 0 }],
    ["retry", "5us", { retryMs: 5000 }],
    ["timeout", "500ms", { timeoutMs: 500 }],
    ["timeout", "2", { timeoutMs: 2000 }],
    ["ttl", "5min", { ttlMs: 300_000 }],
    ["flushwait", "0", { flushWaitMs: 10 }],
    ["flushwait", "1s", { flushWaitMs: 1000 }],
    ["acquire", "300", { acquireMs: 300 }],
    ["acquire", "2s", { acquireMs: 2000 }],
    ["connectiontimeout", "10mi", { connectionTimeoutMs: 600_000 }],
    ["connectiontimeout", "10sec", { connectionTimeoutMs: 10_000 }],
    ["ping", "5ms", { pingMs: 5 }],
    ["addressttl", "-1", { addressTtlMs: undefined }],
    ["addressttl", "0", { addressTtlMs: 0 }],
    ["addressttl", "2mi", { addressTtlMs: 120_000 }],
    ["enablereuse", "OFF", { disableReuse: true }],
    ["max", "junk", { max: 0 }],
    ["iobuffersize", "0", { ioBufferSize: 8192 }],
    ["responsefieldsize", "0", { responseFieldSize: 8192 }],
    ["flushpackets", "Auto", { flushPackets: "auto" }],
    ["lbset", "99", { lbset: 99 }],
    ["route", "r".repeat(63), { route: "r".repeat(63) }],
    ["status", "+H-D", { status: { on: 0x100, off: 0x20 } }],
  ] as const) {
    it(`${key}=${value}`, () => {
      const into: WorkerSettings = {};
      assert.equal(parseWorkerParam(into, key, value), null);
      assert.deepEqual(into, expected);
    });
  }

  for (const [key, value, error] of [
    ["loadfactor", "0.99", "LoadFactor must be a number between 1..100"],
    ["loadfactor", "100.01", "LoadFactor must be a number between 1..100"],
    ["loadfactor", "x", "LoadFactor must be a number between 1..100"],
    ["retry", "-1", "Retry must be a positive value"],
    ["ttl", "0", "TTL must be at least one second"],
    ["timeout", "0", "Timeout must be at least one second"],
    ["min", "-1", "Min must be a positive number"],
    ["max", "-1", "Max must be a positive number"],
    ["smax", "-1", "Smax must be a positive number"],
    ["acquire", "5us", "Acquire timeout has wrong format"],
    ["acquire", "1m", "Acquire timeout has wrong format"],
    ["acquire", "2S", "Acquire timeout has wrong format"],
    ["acquire", "", "Acquire must be at least one millisecond"],
    ["acquire", "0", "Acquire must be at least one millisecond"],
    ["connectiontimeout", "1.5", "Connectiontimeout has wrong format"],
    ["ping", "-1", "Ping/Pong timeout has wrong format"],
    ["ping", "0", "Ping/Pong timeout must be at least one millisecond"],
    ["addressttl", "1500ms", "AddressTTL must be -1 or a number of seconds not exceeding (2147483647)"],
    ["iobuffersize", "511", "IOBufferSize must be >= 512 bytes, or 0 for system default."],
    ["receivebuffersize", "1", "ReceiveBufferSize must be >= 512 bytes, or 0 for system default."],
    ["responsefieldsize", "-1", "ResponseFieldSize must be greater than 0 bytes, or 0 for system default."],
    ["keepalive", "yes", "KeepAlive must be On|Off"],
    ["disablereuse", "1", "DisableReuse must be On|Off"],
    ["enablereuse", "", "EnableReuse must be On|Off"],
    ["route", "r".repeat(64), "Route length must be < 64 characters"],
    ["redirect", "r".repeat(64), "Redirect length must be < 64 characters"],
    ["status", "Q", "Unknown status parameter option"],
    ["flushpackets", "x", "flushpackets must be on|off|auto"],
    ["flushwait", "1001", "flushwait must be <= 1000, or 0 for system default of 10 millseconds."],
    ["lbset", "100", "lbset must be between 0 and 99"],
    ["hcMethod", "GET", "unknown Worker parameter"], // nobody checks members
    ["mapping", "x", "unknown Worker parameter"],
    ["constructor", "x", "unknown Worker parameter"],
  ] as const) {
    it(`${key}=${value} is an error`, () => {
      const into: WorkerSettings = {};
      assert.equal(parseWorkerParam(into, key, value), error);
      assert.deepEqual(into, {});
    });
  }
});

describe("parseBalancerParam()", () => {
  for (const [key, value, expected] of [
    ["lbmethod", "byrequests", { lbmethod: "byrequests" }],
    ["maxattempts", "0", { maxAttempts: 0 }],
    ["stickysession", "ID", { stickySession: "ID", stickyPath: "ID" }],
    ["StickySession", "C|p", { stickySession: "C", stickyPath: "p" }],
    ["stickysession", "s".repeat(70), { stickySession: "s".repeat(63), stickyPath: "s".repeat(63) }],
    ["stickysessionsep", "!", { stickySeparator: "!" }],
    ["stickysessionsep", "Off", { stickySeparator: "" }],
    ["timeout", "9", { timeoutMs: 9000 }],
    ["timeout", "9ms", { timeoutMs: 9 }],
    ["failonstatus", "500, 503 504", { failOnStatus: [500, 503, 504] }],
    ["nonce", "NONE", { nonce: "" }],
    ["forcerecovery", "Off", { forceRecovery: false }],
  ] as const) {
    it(`${key}=${value}`, () => {
      const into: BalancerSettings = {};
      assert.equal(parseBalancerParam(into, key, value), null);
      assert.deepEqual(into, expected);
    });
  }

  for (const [key, value, error] of [
    ["lbmethod", "X", "unknown lbmethod"],
    ["maxattempts", "-1", "maximum number of attempts must be a positive number"],
    ["stickysessionsep", "", "stickysessionsep must be a single character or Off"],
    ["stickysessionsep", "ab", "stickysessionsep must be a single character or Off"],
    ["scolonpathdelim", "x", "scolonpathdelim must be On|Off"],
    ["nofailover", "x", "failover must be On|Off"],
    ["timeout", "0", "timeout must be at least one second"],
    ["failonstatus", "500,99", "failonstatus must be one or more HTTP response codes"],
    ["failontimeout", "x", "failontimeout must be On|Off"],
    ["forcerecovery", "x", "forcerecovery must be On|Off"],
    ["nonce", "x".repeat(37), "Provided nonce is too large"],
    ["growth", "0", "growth must be between 1 and 100"],
    ["growth", "101", "growth must be between 1 and 100"],
    ["slowstart", "-1", "slowstart must be a positive value"],
    ["hashkey", "header:", "hashkey must be address, path, header:NAME or cookie:NAME"],
    ["hashkey", "uri", "hashkey must be address, path, header:NAME or cookie:NAME"],
    ["lbset", "1", "unknown Balancer parameter"],
    ["retry", "1", "unknown Balancer parameter"],
  ] as const) {
    it(`${key}=${value} is an error`, () => {
      assert.equal(
        parseBalancerParam({}, key, value, (name) => name === "byrequests"),
        error,
      );
    });
  }
});
