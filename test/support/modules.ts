/** Every module that ships, loaded. */
import { standardModules as shipped } from "../../mod.ts";
import { loadAll } from "../../modules/core/shipped.ts";

export const standardModules = await loadAll(shipped);
