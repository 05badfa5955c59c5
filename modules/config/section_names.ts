/** The names of httpd's sections, which tell in YAML a body from arguments. */

/** httpd's sections, lower case; those of plug-ins come by the parameter `isSection`. */
const SECTIONS: ReadonlySet<string> = new Set(
  (
    "virtualhost location locationmatch directory directorymatch files filesmatch proxy proxymatch if elseif else " +
    "limit limitexcept requireall requireany requirenone ifmodule ifdefine ifversion iffile ifdirective ifsection macro"
  ).split(" "),
);

/** Sections that have no argument: the mapping below them is the body. */
const BARE_SECTIONS: ReadonlySet<string> = new Set(["else", "requireall", "requireany", "requirenone"]);

export function isHttpdSection(name: string): boolean {
  return SECTIONS.has(name.toLowerCase());
}

export function isBareSection(name: string): boolean {
  return BARE_SECTIONS.has(name.toLowerCase());
}
