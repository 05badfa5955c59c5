/**
 * mod_auth_basic: who sends a user and a password in Authorization.
 * Source: httpd modules/aaa/mod_auth_basic.c
 */
import {
  ArgumentError,
  AUTHORIZATION,
  type AuthnProvider,
  type AuthnStatus,
  authNameOf,
  authn,
  authTypeOf,
  basicCredentials,
  type CommandContext,
  checkUserId,
  DECLINED,
  defineModule,
  type Expr,
  fixups,
  getModuleConfig,
  HeaderTable,
  noteAuthFailure,
  OK,
  type RequestRec,
  requestSubject,
  type Status,
  textOrExpr,
  z,
} from "../../modules/mod.ts";

/** AuthBasicFake: what the backend gets as the client's name and password. */
interface Fake {
  readonly user: Expr<string>;
  readonly password: Expr<string>;
}

const authBasic = defineModule({
  name: "mod_auth_basic",
  config: z.object({
    /** None: "file". */
    providers: z.array(z.custom<AuthnProvider>()).default([]),
    authoritative: z.boolean().default(true),
    fake: z.custom<Fake | null>().default(null),
  }),
  commands: ({ flag, iterate, take1, take12 }) => [
    iterate("AuthBasicProvider", "dir", addProvider, "specify the auth providers for a directory or location"),
    flag(
      "AuthBasicAuthoritative",
      "dir",
      "authoritative",
      "Off to let others authenticate users that are not known here",
    ),
    take12(
      "AuthBasicFake",
      "dir",
      setFake,
      "Fake basic authentication using the given expressions for username and password, 'off' to disable. " +
        "Password defaults to 'password' if missing.",
    ),
    take1(
      "AuthBasicUseDigestAlgorithm",
      "dir",
      refuseDigest,
      "Off: digests of user, realm and password are not supported",
    ),
  ],
  registerHooks({ hook }) {
    hook(checkUserId, authenticate);
    hook(fixups, sendFake, { rank: "last", directivesOf: ["mod_auth_basic"] });
    hook(noteAuthFailure, (r, type) => {
      if (type.toLowerCase() !== "basic") return DECLINED;
      challenge(r, authNameOf(r) ?? "");
      return OK;
    });
  },
});
export default authBasic;

function addProvider(cmd: CommandContext, name: string): string | undefined {
  const provider = cmd.provider(authn, name);
  if (provider === undefined) return `Unknown Authn provider: ${name}`;
  cmd.push("providers", provider);
  return undefined;
}

function setFake(cmd: CommandContext, user: string, password = "password"): string | undefined {
  if (user.toLowerCase() === "off") {
    cmd.set("fake", null);
    return undefined;
  }
  const name = textOrExpr(user);
  if ("error" in name)
    throw new ArgumentError(`Could not parse fake username expression '${user}': ${name.error}`, name);
  const secret = textOrExpr(password);
  if ("error" in secret) {
    throw new ArgumentError(
      `Could not parse fake password expression associated to user '${user}': ${secret.error}`,
      secret,
    );
  }
  cmd.set("fake", { user: name, password: secret });
  return undefined;
}

function refuseDigest(_cmd: CommandContext, algorithm: string): string | undefined {
  if (algorithm.toLowerCase() === "off") return undefined;
  if (algorithm.toLowerCase() === "md5") return "AuthBasicUseDigestAlgorithm MD5 is not supported: use htpasswd -B";
  return `Invalid algorithm in AuthBasicUseDigestAlgorithm: ${algorithm}`;
}

/** check_user_id */
function authenticate(r: RequestRec): Status | Promise<Status> {
  const type = authTypeOf(r);
  if (type === null || type.toLowerCase() !== "basic") return DECLINED;
  const { log } = r.server;
  const realm = authNameOf(r);
  if (realm === null) {
    log.error("auth_basic", "AH01615", `need AuthName: ${r.uri}`, r);
    return 500;
  }
  r.authType = type;
  const line = r.headersIn.getId(AUTHORIZATION);
  if (line === undefined) return challenge(r, realm);
  const credentials = basicCredentials(line);
  if (credentials === null) {
    log.error("auth_basic", "AH01614", `client used wrong authentication scheme: ${r.uri}`, r);
    return challenge(r, realm);
  }
  const { user, password } = credentials;
  r.user = user; // named in the log, right or wrong
  return ask(r, user, password).then((status) => judge(r, realm, user, status));
}

/** The providers in turn, until one knows the user. */
async function ask(r: RequestRec, user: string, password: string): Promise<AuthnStatus> {
  const configured = getModuleConfig(r.perDirConfig, authBasic).providers;
  const standard = r.server.process.providers.lookup(authn, "file");
  const providers = configured.length === 0 && standard !== undefined ? [standard] : configured;
  if (providers.length === 0) {
    r.log.error("auth_basic", "AH01616", "No Authn provider configured", r);
    return "error";
  }
  for (const provider of providers) {
    const status = await provider.checkPassword(r, user, password);
    if (status !== "notFound") return status;
  }
  return "notFound";
}

function judge(r: RequestRec, realm: string, user: string, status: AuthnStatus): Status {
  if (status === "granted") return OK;
  const { log } = r.server;
  const { authoritative } = getModuleConfig(r.perDirConfig, authBasic);
  if (!authoritative && status !== "denied") return DECLINED;
  if (status === "error") return 500;
  if (status === "denied") {
    const text = `user ${user}: authentication failure for "${r.uri}": Password Mismatch`;
    log.error("auth_basic", "AH01617", text, r);
  } else log.error("auth_basic", "AH01618", `user ${user} not found: ${r.uri}`, r);
  return challenge(r, realm);
}

function challenge(r: RequestRec, realm: string): Status {
  r.errHeadersOut ??= new HeaderTable();
  r.errHeadersOut.set("WWW-Authenticate", `Basic realm="${realm}"`);
  return 401;
}

/** fixups: AuthBasicFake. A name or a password that comes out empty sends none. */
function sendFake(r: RequestRec): Status {
  const { fake } = getModuleConfig(r.perDirConfig, authBasic);
  if (fake === null) return DECLINED;
  const subject = requestSubject(r);
  const user = fake.user.evaluate(subject);
  const password = user === "" ? "" : fake.password.evaluate(subject);
  if (user === "" || password === "") {
    const [ah, what] = user === "" ? ["AH02458", "username"] : ["AH02459", "password"];
    const text = `AuthBasicFake: empty ${what} expression for URI '${r.uri}', ignoring`;
    r.log.info("auth_basic", ah, text, r);
    r.headersIn.unsetId(AUTHORIZATION);
    return DECLINED;
  }
  r.headersIn.setId(AUTHORIZATION, "Authorization", `Basic ${btoa(`${user}:${password}`)}`);
  return OK;
}
