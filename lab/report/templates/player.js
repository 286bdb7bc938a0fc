"use strict";
// Plays the run of this page again, second by second, from the numbers that the page carries.
(function () {
  const told = JSON.parse(document.getElementById("series").textContent);
  const glances = JSON.parse(document.getElementById("glances").textContent);
  const byId = (id) => document.getElementById(id);
  const SPEEDS = [1, 2, 5, 10, 20];
  const [first, last] = [told.x[0], Math.max(...told.variants.map((each) => each.seconds[each.seconds.length - 1] + 1))];
  let position = last;
  let speed = 1;
  let playing = false;
  let then = 0;
  let drawn = null;

  // What was known when `second` began: nothing of what came later.
  function cut(variant, second) {
    const until = Math.max(0, Math.min(variant.seconds.length, Math.floor(second) - variant.seconds[0]));
    const short = (values) => values.slice(0, until);
    const bands = (all) => all.map((band) => ({ ...band, counts: short(band.counts) }));
    const flat = Object.fromEntries(["seconds", "p50", "p99", "max", "schema", "floor", "waits", "blocked", "connections"]
      .map((key) => [key, short(variant[key])]));
    return {
      ...variant, ...flat, bands: bands(variant.bands), pods: bands(variant.pods),
      failed: "", marks: variant.marks.filter((mark) => mark.second < second),
      rows: variant.rows.filter((row) => row[0] < second),
      lanes: variant.lanes.map((lane) => ({
        ...lane,
        spans: lane.spans.filter((span) => span[1] < second)
          .map(([state, from, to]) => [state, from, to === null || to > second ? null : to]),
      })),
    };
  }

  function show() {
    const second = Math.floor(position);
    if (second === drawn) return;
    drawn = second;
    const isWhole = position >= last;
    window.labReport.update(isWhole ? told : { ...told, variants: told.variants.map((each) => cut(each, position)) });
    told.variants.forEach((variant, place) => tiles(byId(`tiles-${place}`), glances[place], second - variant.seconds[0] - 1));
    byId("position").value = String(second);
    byId("position").setAttribute("aria-valuetext", `second ${second}`);
    state();
  }

  function tiles(place, all, index) {
    const at = all[Math.max(0, Math.min(all.length - 1, index))];
    const made = at.map(([label, value, remark, tone]) => {
      const tile = document.createElement("div");
      tile.className = `tile ${tone}`;
      for (const [name, className, text] of [["dt", "", label], ["dd", "value", value], ["dd", "remark", remark]]) {
        const part = document.createElement(name);
        part.className = className;
        part.textContent = text;
        tile.append(part);
      }
      return tile;
    });
    place.replaceChildren(...made);
  }

  function state() {
    byId("playing").textContent = `${playing ? "playing" : "paused"}, ${speed}×, second ${Math.floor(position) > 0 ? "+" : ""}${Math.floor(position)}`;
  }

  function move(now) {
    if (!playing) return;
    position = Math.min(position + ((now - then) / 1000) * speed, last);
    then = now;
    if (position >= last) playing = false;
    show();
    state();
    requestAnimationFrame(move);
  }

  const acts = {
    " ": () => {
      playing = !playing;
      if (playing && position >= last) position = first;
      then = performance.now();
      state();
      if (playing) requestAnimationFrame(move);
    },
    "-": () => { speed = SPEEDS[Math.max(0, SPEEDS.indexOf(speed) - 1)]; state(); },
    "+": () => { speed = SPEEDS[Math.min(SPEEDS.length - 1, SPEEDS.indexOf(speed) + 1)]; state(); },
    ArrowLeft: () => { position = Math.max(first, position - 5); show(); },
    ArrowRight: () => { position = Math.min(last, position + 5); show(); },
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea")) return;
    if (event.key === " " && event.target.closest("button")) return;
    if (acts[event.key]) { acts[event.key](); event.preventDefault(); }
  });
  for (const button of document.querySelectorAll("[data-play]")) {
    button.addEventListener("click", () => acts[button.dataset.play]());
  }
  byId("position").min = String(first);
  byId("position").max = String(last);
  byId("position").addEventListener("input", (event) => { position = Number(event.target.value); show(); });
  show();
})();
