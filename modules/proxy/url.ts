/** A backend URL, taken apart once: what a scheme handler needs of it. */
export interface ProxyUrl {
  /** "http", "https", "ws"...: lower case. */
  readonly scheme: string;
  /** "user:password", encoded; undefined: the URL has none. */
  readonly userinfo?: string | undefined;
  /** Lower case; an IPv6 address without brackets. */
  readonly host: string;
  /** 0: the scheme's default. */
  readonly port: number;
  /** Path and query as they go on the request line, "/" at least. */
  readonly target: string;
}

interface Origin {
  readonly scheme: string;
  readonly userinfo: string | undefined;
  readonly host: string;
  readonly port: number;
}

/** Origins are few, and each request asks for one. */
const origins = new Map<string, Origin>();
const MAX_ORIGINS = 4096;

/** A canonical URL in its parts. */
export function splitProxyUrl(url: string): ProxyUrl {
  const slash = url.indexOf("/", url.indexOf("://") + 3);
  const end = slash < 0 ? url.length : slash;
  const origin = originOf(url.slice(0, end));
  const rest = slash < 0 ? "" : url.slice(slash);
  const { scheme, userinfo, host, port } = origin;
  return { scheme, userinfo, host, port, target: rest === "" ? "/" : rest };
}

function originOf(text: string): Origin {
  const known = origins.get(text);
  if (known !== undefined) return known;
  const match = /^([a-z][a-z0-9+.-]*):\/\/(?:(.*)@)?(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/i.exec(text);
  const origin = {
    scheme: (match?.[1] ?? "").toLowerCase(),
    userinfo: match?.[2],
    host: (match?.[3] ?? match?.[4] ?? "").toLowerCase(),
    port: Number(match?.[5] ?? 0),
  };
  if (origins.size < MAX_ORIGINS) origins.set(text, origin);
  return origin;
}
