/** What access control, Basic authentication, remoteip and AuthForward refuse at configuration time, in which words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "../../../modules/config/directive.ts";
import { readRaw } from "../../../modules/config/read_raw.ts";
import { TimerWheel } from "../../../modules/core/clock.ts";
import type { Host } from "../../../modules/core/host.ts";
import { nodeHost } from "../../../modules/mpm/host.ts";
import type { SocketHost } from "../../../modules/net/socket.ts";
import { makeGeneration } from "../../../modules/server/lifecycle.ts";
import { VirtualClock } from "../../support/clock.ts";
import { standardModules } from "../../support/modules.ts";

const FILES: Record<string, string> = {
  proxies: "# ours\n127.0.0.1 10.0.0.0/8 # and theirs\n\n",
  bad: "10.0.0.1\n10.1/16\n",
};

/** The message, or "" if nothing is wrong. */
function refusal(conf: string): string {
  const clock = new VirtualClock();
  const host: Host = {
    ...nodeHost,
    files: {
      stat: () => null,
      version: () => "",
      read(path) {
        const text = FILES[path];
        if (text === undefined) throw Object.assign(new Error("none"), { code: "ENOENT" });
        return text;
      },
    },
  };
  try {
    makeGeneration({
      tree: readRaw("x.conf", `${conf}\n`),
      modules: standardModules,
      clock,
      wheel: new TimerWheel(clock),
      sockets: {} as SocketHost,
      host,
      generation: 0,
      resolvePath: (path) => path,
      warn: () => {},
      hasModule: () => true,
      openErrorLog: () => ({ write() {} }),
      openLog: () => ({ write() {} }),
      missingLogFolder: () => null,
      pid: 1,
    });
  } catch (error) {
    assert.ok(error instanceof ConfigError, String((error as Error).stack));
    return error.message;
  }
  return "";
}

const within = (body: string): string => `<Location /x>\n${body}\n</Location>`;

const ONLY_NEGATIVE = " directive contains only negative authorization directives\nAH00014: Configuration check failed";

const REFUSED: [body: string, message: string][] = [
  ["Require nobody", "Unknown Authz provider: nobody"],
  ["Require", "Unknown Authz provider: "],
  ["Require not", "Unknown Authz provider: "],
  ["Require all maybe", "Argument for 'Require all' must be 'granted' or 'denied'"],
  ["Require ip", "'require ip' requires an argument"],
  ["Require ip a.b", "ip address 'a.b' appears to be invalid"],
  ["Require ip 1.2.3.4.5", "ip address '1.2.3.4.5' appears to be invalid: The specified IP address is invalid."],
  ["Require ip 10.0.0.0/33", "ip address '10.0.0.0/33' appears to be invalid: The specified network mask is invalid."],
  ["Require method GET FOO", "Invalid Method 'FOO'"],
  ["Require expr %{NOSUCH} == 1", "Cannot parse expression in require line: Variable 'NOSUCH' does not exist"],
  ["Require not all granted", "negative Require directive has no effect in <RequireAny> directive"],
  ["<RequireAny>\n</RequireAny>", "<RequireAny> directive contains no authorization directives"],
  ["<RequireAll x>\n</RequireAll>", "<RequireAll> directive doesn't take additional arguments"],
  ["<RequireNone>\nRequire ip 10\n</RequireNone>", "<RequireNone> directive has no effect in <RequireAny> directive"],
  ["<RequireAll>\nRequire not ip 10\n</RequireAll>", `AH01624: <RequireAll>${ONLY_NEGATIVE}`],
  [
    "<RequireAll>\n<RequireNone>\nRequire ip 10\n</RequireNone>\n</RequireAll>",
    `AH01624: <RequireAll>${ONLY_NEGATIVE}`,
  ],
  ["AuthMerging maybe", "AuthMerging must be one of: Off | And | Or"],
  ["Order deny, allow", "order takes one argument, 'allow,deny', 'deny,allow', or 'mutual-failure'"],
  ["Order x", "unknown order"],
  ["Allow from", "allow requires at least two arguments, 'from' followed by hostnames or IP-address wildcards"],
  ["Allow to all", "allow and deny must be followed by 'from'"],
  ["Deny from 10.0.0.0/x", "The specified network mask is invalid."],
  ["Deny from a/8", "An IP address was expected"],
  ["Deny from a#b", "No comments are allowed here"],
  ["Satisfy some", "Satisfy either 'any' or 'all'."],
  ["AuthName %{NOSUCH}", "Cannot parse expression '%{NOSUCH}' in AuthName: Variable 'NOSUCH' does not exist"],
  ["AuthBasicProvider ldap", "Unknown Authn provider: ldap"],
  ["AuthBasicUseDigestAlgorithm MD5", "AuthBasicUseDigestAlgorithm MD5 is not supported: use htpasswd -B"],
  ["AuthBasicUseDigestAlgorithm SHA", "Invalid algorithm in AuthBasicUseDigestAlgorithm: SHA"],
  ["RemoteIPHeader X", "RemoteIPHeader not allowed in <Location> context"],
  ["AuthForward /verify", "AuthForward URL must be absolute!: /verify"],
  ["AuthForward https://a/", "AuthForward: https:// is not supported: give an http:// URL, or unix:PATH|http://"],
  ["AuthForward http://a/ timeout=0", "AuthForward: unknown parameter timeout=0: timeout=SECONDS is meant"],
  ["AuthForward http://a/ retry=1", "AuthForward: unknown parameter retry=1: timeout=SECONDS is meant"],
  ['AuthForwardHeaders "a b"', "AuthForwardHeaders: 'a b' is no name of a field"],
];
for (const [body, message] of REFUSED) {
  test(`refuses ${body.replaceAll("\n", " ")}`, () => assert.equal(refusal(within(body)), message));
}

const REFUSED_OUTSIDE: [line: string, message: string][] = [
  ["Require all granted", "Require not allowed here"],
  ["Order deny,allow", "order not allowed here"],
  ["AuthType Basic", "AuthType not allowed here"],
  [
    "RemoteIPInternalProxy 10.1/16",
    "RemoteIP: Error parsing IP 10.1/16 (The specified IP address is invalid. error) for RemoteIPInternalProxy",
  ],
  ["RemoteIPTrustedProxy a/8", "RemoteIP: Error parsing IP a/8 the subnet /8 is invalid for RemoteIPTrustedProxy"],
  [
    "RemoteIPTrustedProxy proxy.test",
    "RemoteIP: RemoteIPTrustedProxy takes addresses and networks: the name proxy.test is not looked up",
  ],
  ["RemoteIPTrustedProxyList none", "RemoteIPTrustedProxyList: Could not open file none: No such file or directory"],
  [
    "RemoteIPTrustedProxyList bad",
    "RemoteIP: Error parsing IP 10.1/16 (The specified IP address is invalid. error) for RemoteIPTrustedProxyList at line 2 of bad",
  ],
  ["RemoteIPProxyProtocolExceptions a.b", "ip address 'a.b' appears to be invalid"],
];
for (const [line, message] of REFUSED_OUTSIDE) {
  test(`refuses ${line} outside of sections`, () => assert.equal(refusal(line), message));
}

test("takes what is right", () => {
  const bodies = [
    "<RequireAll>\nRequire all granted\n<RequireNone>\nRequire ip 10\n</RequireNone>\n</RequireAll>",
    "<RequireAll>\n<RequireAll>\nRequire not ip 10\n</RequireAll>\nRequire local\n</RequireAll>",
    "Allow from all env=a env=!b 10 .test\nSatisfy any",
    "AuthBasicFake off\nAuthBasicUseDigestAlgorithm Off\nAuthBasicProvider file",
    "AuthForward unix:run/auth.sock|http://localhost/verify timeout=1\nAuthForward off",
  ];
  for (const body of bodies) assert.equal(refusal(within(body)), "", body);
  assert.equal(refusal("RemoteIPInternalProxyList proxies\nRemoteIPProxyProtocolExceptions 10.0.0.0/8 ::1"), "");
  for (const section of ["Proxy http://a/", "Directory /x", "Files x", "If true"]) {
    assert.equal(refusal(`<${section}>\nRequire local\n</${section.split(" ")[0]}>`), "", section);
  }
});
