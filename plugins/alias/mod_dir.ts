/**
 * mod_dir: what a request for a folder is answered with. sluice has no folders, so its directives hold for no request; they are
 * read, as those in <Directory> are, because every configuration of httpd has them.
 * Source: httpd modules/mappers/mod_dir.c
 */
import { z } from "zod";
import { defineModule } from "../../modules/mod.ts";

export default defineModule({
  name: "mod_dir",
  config: z.object({}),
  commands: ({ flag, raw }) => [
    raw("DirectoryIndex", "any", withoutEffect, "a list of file names"),
    flag("DirectorySlash", "any", withoutEffect, "On or Off"),
    flag("DirectoryCheckHandler", "any", withoutEffect, "On or Off"),
  ],
});

function withoutEffect(): void {}
