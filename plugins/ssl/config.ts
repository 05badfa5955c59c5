/**
 * The configuration of mod_ssl.
 * Source: httpd modules/ssl/ssl_private.h SSLSrvConfigRec, SSLDirConfigRec
 */
import { type DirectiveSource, type Expr, z } from "../../modules/mod.ts";
import type { PemFile } from "./pem.ts";
import { DEFAULT_PROTOCOLS, type Protocols } from "./protocols.ts";

/** A file, and the directive that names it. */
export interface PemAt extends PemFile {
  readonly at: DirectiveSource;
}

export const VERIFY_MODES = ["none", "optional", "require", "optional_no_ca"] as const;
export type VerifyMode = (typeof VERIFY_MODES)[number];

/** `SSLOptions`; a word with a sign changes what outer scopes say, one without begins anew. */
export const OPTION_NAMES = [
  "StdEnvVars",
  "ExportCertData",
  "FakeBasicAuth",
  "StrictRequire",
  "OptRenegotiate",
  "LegacyDNStringFormat",
] as const;
export type OptionName = (typeof OPTION_NAMES)[number];

export interface OptionChange {
  readonly name: OptionName | null;
  /** "" begins anew. */
  readonly sign: "+" | "-" | "";
}

const files = () => z.array(z.custom<PemAt>()).default([]);

export const sslSchema = z.object({
  engine: z.enum(["on", "off"]).default("off"),
  engineAt: z.custom<DirectiveSource>().optional(),
  certFiles: files(),
  keyFiles: files(),
  chainFile: z.custom<PemAt>().optional(),
  protocols: z.custom<Protocols>().default(DEFAULT_PROTOCOLS),
  protocolsAt: z.custom<DirectiveSource>().optional(),
  /** Up to TLS 1.2, in OpenSSL's language; "": the host's own. */
  ciphers: z.string().default(""),
  /** Of TLS 1.3, names joined by colons; "": the host's own. */
  ciphers13: z.string().default(""),
  ciphersAt: z.custom<DirectiveSource>().optional(),
  honorCipherOrder: z.boolean().default(false),
  verifyClient: z.enum(VERIFY_MODES).default("none"),
  verifyClientAt: z.custom<DirectiveSource>().optional(),
  /** How many authorities may stand above a client's certificate. */
  verifyDepth: z.number().default(1),
  /** SSLCACertificateFile, SSLCACertificatePath. */
  ca: files(),
  /** SSLCADNRequestFile, SSLCADNRequestPath: the authorities that are named to clients. */
  caNames: files(),
  tickets: z.boolean().default(true),
  /** Seconds. */
  sessionTimeout: z.number().default(300),
  strictSni: z.boolean().default(false),
  sniPolicy: z.enum(["strict", "secure", "authonly", "insecure"]).default("secure"),
  options: z
    .array(z.custom<OptionChange>())
    .default([])
    .transform((changes): ReadonlySet<OptionName> => {
      let names = new Set<OptionName>();
      for (const { name, sign } of changes) {
        if (sign === "") names = new Set();
        if (name === null) continue;
        if (sign === "-") names.delete(name);
        else names.add(name);
      }
      return names;
    }),
  requireSsl: z.boolean().default(false),
  /** SSLRequire, of all sections that hold. */
  require: z.array(z.custom<Expr<boolean>>()).default([]),
  /** SSLUserName: the variable that names the user; "": none. */
  userName: z.string().default(""),

  proxyEngine: z.boolean().default(false),
  proxyProtocols: z.custom<Protocols>().default(DEFAULT_PROTOCOLS),
  proxyProtocolsAt: z.custom<DirectiveSource>().optional(),
  proxyCiphers: z.string().default(""),
  proxyCiphers13: z.string().default(""),
  proxyVerify: z.enum(VERIFY_MODES).default("none"),
  proxyVerifyDepth: z.number().default(1),
  proxyCa: files(),
  /** Neither said: the name is checked. */
  checkPeerName: z.boolean().optional(),
  checkPeerCn: z.boolean().optional(),
  checkPeerExpire: z.boolean().default(true),
  /** The certificate that we show to backends, with its key. */
  machine: z.custom<PemAt>().optional(),
  machineChain: z.custom<PemAt>().optional(),
});

export type SslConfig = z.output<typeof sslSchema>;
