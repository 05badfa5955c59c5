/**
 * What directives say of FTP.
 */
import { z } from "../../modules/mod.ts";

export const ftpConfig = z.object({
  /** ProxyFtpListOnWildcard: a name with wildcards is a listing, not a file. */
  listOnWildcard: z.boolean().default(true),
  /** ProxyFtpEscapeWildcards: servers get them with a backslash. */
  escapeWildcards: z.boolean().default(true),
  /** ProxyFtpDirCharset: of listings. */
  dirCharset: z.string().default("ISO-8859-1"),
});

export type FtpConfig = z.output<typeof ftpConfig>;
