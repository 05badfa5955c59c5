/**
 * Who logs in: the client, if it says who it is; else whom the URL names; else anonymous.
 * Source: httpd modules/proxy/mod_proxy_ftp.c proxy_ftp_handler, ftp_unauthorized
 */
import { AUTHORIZATION, basicCredentials, HeaderTable, type RequestRec, type Status } from "../../modules/mod.ts";
import { decode, isSendable } from "./path.ts";

export interface Login {
  readonly user: string;
  /** null: none was given. */
  readonly password: string | null;
  readonly isAnonymous: boolean;
}

/** @param userinfo of the URL, encoded. null: the client's name or password cannot be sent */
export function loginOf(r: RequestRec, userinfo: string): Login | null {
  const field = r.headersIn.getId(AUTHORIZATION);
  const sent = field === undefined ? null : basicCredentials(field);
  if (sent !== null && sent.user !== "") {
    const { user, password } = sent;
    if (!isSendable(`${user}:${password}`)) return null;
    r.user = user;
    r.authType = "Basic";
    return { user, password, isAnonymous: false };
  }
  if (userinfo !== "") {
    const colon = userinfo.indexOf(":");
    const user = decode(colon < 0 ? userinfo : userinfo.slice(0, colon));
    return { user, password: colon < 0 ? null : decode(userinfo.slice(colon + 1)), isAnonymous: false };
  }
  return { user: "anonymous", password: "apache-proxy@", isAnonymous: true };
}

/** The server does not let them in: the client is asked who it is. */
export function unauthorized(r: RequestRec, login: Login): Status {
  const who = login.isAnonymous ? "" : `${login.user}@`;
  r.log.info("proxy_ftp", "AH01035", `missing or failed auth to ${who}`, r);
  r.errHeadersOut ??= new HeaderTable();
  r.errHeadersOut.set("WWW-Authenticate", `Basic realm="${who.replace(/["\\]/g, "\\$&")}"`);
  return 401;
}
