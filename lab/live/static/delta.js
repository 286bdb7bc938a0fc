"use strict";
// Applies what lab.live.delta has found: returns the new value and leaves the old one as it is.
window.labApply = function apply(old, patch) {
  if (patch === undefined || patch === null) return old;
  if ("=" in patch) return patch["="];
  if ("o" in patch) {
    const fresh = Object.assign({}, old);
    for (const key of patch["-"]) delete fresh[key];
    for (const [key, each] of Object.entries(patch.o)) fresh[key] = apply(fresh[key], each);
    return fresh;
  }
  if ("i" in patch) return old.map((value, place) => apply(value, patch.i[place]));
  return old.slice(0, patch.l).concat(patch.v);
};
