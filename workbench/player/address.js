// The place that a player shows, in the address's fragment: #frame=12&view=difference&zoom=4&at=120,80. A link shows the same place.

/** What the address says; unknown words are left alone. */
function placeInAddress() {
  const words = new URLSearchParams(location.hash.slice(1)), place = {};
  for (const name of ["view", "left", "right"]) if (words.get(name)) place[name] = words.get(name);
  for (const name of ["frame", "zoom", "gain", "cut"]) if (words.get(name) && Number.isFinite(Number(words.get(name)))) place[name] = Number(words.get(name));
  for (const [name, divider] of [["at", ","], ["range", "-"]]) {
    const pair = words.get(name)?.split(divider).map(Number) ?? [];
    if (pair.length === 2 && pair.every(Number.isFinite)) place[name] = pair;
  }
  return place;
}

function fragmentOf(place) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(place)) if (value !== undefined) words.set(name, value);
  return `#${words}`.replaceAll("%2C", ",");
}

/** Writes it, in place: Back leads to where one came from. */
function keepInAddress(place) {
  const here = new URL(location.href); // not the fragment alone: a page may have a base elsewhere
  here.hash = fragmentOf(place);
  if (here.href === location.href) return;
  try {
    history.replaceState(history.state, "", here);
  } catch {
    // a page without an address of its own, as in a sandbox
  }
}
