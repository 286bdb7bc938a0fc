"use strict";
// Shows the frames that come. Everything from a run is written as text, never as markup.
(function () {
  const byId = (id) => document.getElementById(id);
  const root = document.documentElement;
  const MARKS = { "to come": "·", waiting: "▶", done: "✓", failed: "✗" };
  const CHARTS = {
    one: [["requests", "Requests per second, by the release that answered", 290],
      ["latency", "Latency from intended start", 0],
      ["lanes", "Pods by node; hollow: not ready", 0],
      ["schema", "Schema version and compat floor", 0],
      ["database", "Database sessions: connections, and those blocked by a lock", 0],
      ["timeline", "What happened when", 0]],
    both: [["requests", "Requests per second, by the release that answered", 300],
      ["lanes", "Pods by node; hollow: not ready", 0],
      ["latency", "Latency from intended start", 0]],
  };
  let frame = null;
  let trouble = "";
  let charts = null;
  let layout = "";
  let wantsBoth = null;
  const token = takeToken();

  // The token must not stay in the address: it would stand on the screen of the room.
  function takeToken() {
    const given = location.hash.slice(1);
    if (given) {
      sessionStorage.setItem("token", given);
      history.replaceState(null, "", location.pathname);
    }
    return sessionStorage.getItem("token") || "";
  }

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // A number is not broken at its thousands, nor parted from its unit.
  const unbroken = (text) => text.replace(/(\d) (?=\d{3}(?!\d)|%|s\b|ms\b)/g, "$1\u00a0");

  function write(place, text) {
    if (place && place.textContent !== text) place.textContent = text;
  }

  function fill(place, made) {
    place.replaceChildren(...made);
  }

  const shown = () => frame.variants.filter((v) => isBoth() || v.name === frame.active || frame.variants.length === 1);
  const isOver = () => frame.variants.length > 1 && frame.variants.every((v) => v.outcome !== "no verdict");
  const isBoth = () => frame.variants.length > 1 && (wantsBoth === null ? Boolean(frame.both) || (isOver() && frame.mode === "live") : wantsBoth);

  function show() {
    notices();
    if (!frame.run) return;
    head();
    scene();
    if (!frame.told) { clear(); return; }
    const now = layoutNow();
    if (now !== layout) build(now);
    shown().forEach((variant) => renew(variant));
    if (charts) charts.update(frame.told);
    else { charts = window.labCharts(frame.told); charts.draw(); }
    root.dataset.version = String(Number(root.dataset.version || 0) + 1);
  }

  function notices() {
    const told = trouble ? [trouble] : [];
    if (frame) told.push(...toldByFrame());
    const said = told.join("\n");
    if (byId("notices").dataset.said === said) return;
    byId("notices").dataset.said = said;
    fill(byId("notices"), told.map((text) => element("p", "notice", text)));
  }

  function toldByFrame() {
    const told = [];
    if (frame.failure !== undefined) told.push(`${frame.failure}. ${frame.hint || ""}`);
    if (frame.waiting !== undefined) told.push(frame.waiting);
    if (frame.run) told.push(...frame.run.damage);
    if (frame.silent_s) told.push(`Nothing new for ${frame.silent_s} s: the run waits, or was stopped.`);
    return told;
  }

  function head() {
    const run = frame.run;
    write(byId("title"), run.title);
    write(byId("question"), run.question);
    write(byId("place"), `${run.scenario}, run ${run.run}. ${run.place}${run.remark ? ". " + run.remark : ""}`);
    document.title = `${run.scenario}: ${frame.mode}`;
    const clock = frame.clock;
    const told = clock ? `${frame.mode} ${clock.speed}×${clock.paused ? ", paused" : ""}` : frame.mode;
    write(byId("mode"), told);
    byId("acts").hidden = !(token && frame.can && frame.can.length);
    for (const button of byId("acts").querySelectorAll("button")) button.hidden = !canDo(button.dataset.key);
  }

  function scene() {
    const told = frame.scene;
    byId("scene").hidden = !told;
    if (!told) return;
    const said = JSON.stringify(told);
    if (byId("scene").dataset.said === said) return;
    byId("scene").dataset.said = said;
    const made = [element("h2", "", told.title)];
    for (const text of told.text || []) made.push(element("p", "", text));
    if (told.asks && told.asks.length) {
      const list = element("ol");
      told.asks.forEach((text) => list.append(element("li", "ask", text)));
      made.push(list);
    }
    if (told.table && told.table.length > 1) made.push(table(told.table));
    fill(byId("scene"), made);
  }

  function table(rows) {
    const made = element("table");
    const headRow = element("tr");
    rows[0].forEach((text) => { const cell = element("th", "", text); cell.scope = "col"; headRow.append(cell); });
    const top = element("thead");
    top.append(headRow);
    const body = element("tbody");
    for (const row of rows.slice(1)) {
      const line = element("tr");
      row.forEach((text, place) => {
        const cell = element(place ? "td" : "th", "", text);
        if (!place) cell.scope = "row";
        line.append(cell);
      });
      body.append(line);
    }
    made.append(top, body);
    return made;
  }

  // Charts go on with newer numbers as long as this stays the same; of another run nothing is kept.
  function layoutNow() {
    const drawn = shown().map((v) => [v.name, (toldOf(v).forecast || {}).source || ""]);
    return JSON.stringify([frame.run.scenario, frame.run.run, isBoth(), drawn]);
  }

  const toldOf = (variant) => frame.told.variants.find((each) => each.name === variant.name);

  // What is shown is of a run that is no longer it: the next one has begun, and has nothing yet.
  function clear() {
    layout = "";
    fill(byId("variants"), []);
    byId("variants").className = "";
    if (charts) { charts.update({ x: [0, 1], variants: [] }); charts.all(); }
  }

  function build(now) {
    layout = now;
    const kind = isBoth() ? "both" : "one";
    byId("variants").className = kind === "both" ? "both" : "";
    fill(byId("variants"), shown().map((variant) => article(variant, kind)));
    if (charts) charts.update({ ...frame.told, variants: [] });
  }

  function article(variant, kind) {
    const made = element("article", kind === "one" ? "one" : "");
    made.dataset.name = variant.name;
    made.setAttribute("aria-label", variant.name);
    const left = element("div");
    left.append(...CHARTS[kind].map(([chart, title, height]) => figure(variant, chart, title, height)));
    const right = element("div");
    for (const [name, title] of [["headline", ""], ["reasons", ""], ["steps", "Timeline"], ["ways", "How requests failed"], ["checks", "Predicted and measured"], ["events", "Newest events"]]) {
      if (title) right.append(element("h2", "", title));
      right.append(part(name));
    }
    const top = element("div", "head");
    top.dataset.part = "head";
    const tiles = element("dl", "tiles");
    tiles.dataset.part = "tiles";
    if (kind === "one") made.append(top, tiles, left, right);
    else made.append(top, part("reasons"), left, part("headline"), tiles, part("ways"), part("checks"));
    return made;
  }

  // What may be wider than its place can be moved by keys, too.
  const WIDE = { ways: "How requests failed", checks: "Predicted and measured" };

  function part(name) {
    const made = element("div");
    made.dataset.part = name;
    if (WIDE[name]) {
      made.tabIndex = 0;
      made.setAttribute("role", "group");
      made.setAttribute("aria-label", WIDE[name]);
    }
    return made;
  }

  function figure(variant, chart, title, height) {
    const made = element("figure");
    made.append(element("figcaption", "", title));
    const forecast = toldOf(variant).forecast;
    if (chart === "requests" && forecast) made.append(element("p", "small", `Foreseen: ${forecast.source}`));
    const place = element("div", "chart");
    place.dataset.chart = chart;
    place.dataset.variant = String(frame.variants.findIndex((v) => v.name === variant.name));
    if (height) place.dataset.height = String(height);
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", `${title}, ${variant.name}`);
    const readout = element("output", "readout");
    readout.setAttribute("aria-hidden", "true");
    made.append(place, readout);
    return made;
  }

  function renew(variant) {
    const home = Array.from(byId("variants").children).find((each) => each.dataset.name === variant.name);
    if (!home) return;
    for (const [name, make] of Object.entries(PARTS)) {
      const place = home.querySelector(`[data-part="${name}"]`);
      if (!place) continue;
      const said = JSON.stringify(make.of(variant));
      if (place.dataset.said === said) continue;
      place.dataset.said = said;
      fill(place, make.draw(make.of(variant)));
    }
  }

  // An SQLSTATE says more than "http_5xx"; where there is none, how it ended is all there is.
  const why = ([release, code, endpoint, outcome, count]) => [count, release, code === "-" ? outcome : code, endpoint];
  const isJudged = (v) => v.outcome !== "no verdict";
  const PARTS = {
    head: {
      of: (v) => [v.name, v.phase, v.outcome, v.as_predicted, v.second, v.is_believable, isJudged(v) ? v.woken : ""],
      draw: ([name, phase, outcome, predicted, second, believable, woken]) => {
        const made = [element("span", "name", name)];
        if (outcome === "no verdict") made.push(element("span", "phase", `${phase || "setup"}, second ${second > 0 ? "+" : ""}${second}`));
        else {
          made.push(element("span", "outcome", outcome));
          made.push(element("span", "phase", believable ? (predicted ? "as predicted" : "not as predicted") : "this run proves nothing"));
          if (woken) made.push(element("span", "place", woken));
        }
        return made;
      },
    },
    tiles: { of: (v) => v.tiles, draw: (tiles) => tiles.map(tile) },
    headline: { of: (v) => v.headline, draw: (text) => [element("p", "headline", unbroken(text))] },
    reasons: {
      of: (v) => (v.as_predicted ? [] : v.reasons).concat(v.damage),
      draw: (told) => told.map((text) => element("p", "notice", text)),
    },
    steps: { of: (v) => v.plan, draw: (plan) => [steps(plan)] },
    ways: {
      of: (v) => v.ways.slice(0, 4),
      draw: (ways) => ways.length
        ? [table([["requests", "release", "why", "endpoint"]].concat(ways.map(why)))]
        : [element("p", "place", "No request has failed.")],
    },
    checks: {
      of: (v) => [v.checks, v.claims],
      draw: ([checks, claims]) => checks.length
        ? [table([["prediction", "predicted", "measured", "holds"]].concat(checks))]
        : [bullets(claims), element("p", "place", "Judged when the run is over.")],
    },
    events: { of: (v) => v.rows, draw: (rows) => [events(rows)] },
  };

  // The unit is smaller than what it measures.
  function figureOf(value) {
    const made = element("dd", "value");
    const at = value.search(/ (ms|s|%)$/);
    if (at < 0) made.textContent = unbroken(value);
    else made.append(unbroken(value.slice(0, at)) + "\u00a0", element("span", "unit", value.slice(at + 1)));
    return made;
  }

  function tile({ label, value, remark, tone }) {
    const made = element("div", `tile ${tone}`);
    made.append(element("dt", "", label), figureOf(value), element("dd", "remark", unbroken(remark)));
    return made;
  }

  function bullets(texts) {
    const made = element("ul");
    made.append(...texts.map((text) => element("li", "", text)));
    return made;
  }

  function steps(plan) {
    const list = element("ol", "steps");
    for (const step of plan) {
      const item = element("li", step.state.replace(" ", "-"));
      item.append(element("span", "", MARKS[step.state]), element("span", "", step.name), element("span", "", step.at));
      const told = step.state === "waiting" && step.when ? `waiting until ${step.when}` : step.does;
      if (told) item.append(element("span", "told", told));
      list.append(item);
    }
    return list;
  }

  function events(rows) {
    const list = element("ol", "events");
    list.tabIndex = 0;
    list.setAttribute("aria-label", "Newest events");
    for (const [when, kind, what, detail] of rows.slice().reverse()) {
      const item = element("li");
      item.append(element("time", "", when), element("span", kind === "cluster" ? "quiet" : "", detail ? `${what}: ${detail}` : what));
      list.append(item);
    }
    return list;
  }

  // Acts: what a viewer may do to the page, and what somebody with the token may do to the show.
  const NEEDS = { " ": "pause", n: "step", "-": "speed", "+": "speed", ArrowLeft: "seek", ArrowRight: "seek" };
  const canDo = (key) => Boolean(token && frame && frame.can && frame.can.includes(NEEDS[key]));
  const looks = {
    z: () => charts && charts.scale(0.5),
    x: () => charts && charts.scale(2),
    a: () => charts && charts.pan(-0.25),
    d: () => charts && charts.pan(0.25),
    0: () => charts && charts.all(),
    b: () => { wantsBoth = frame && frame.variants ? !isBoth() : null; if (frame) show(); },
    t: () => {
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      if (charts) charts.draw();
    },
  };
  const acts = {
    " ": () => act("pause"),
    n: () => act("step"),
    "-": () => act("speed", -1),
    "+": () => act("speed", 1),
    ArrowLeft: () => act("seek", -5),
    ArrowRight: () => act("seek", 5),
  };

  async function act(what, value) {
    say(await window.labWire.act(token, what, value));
  }

  // What is wrong beside the run itself: nobody to ask, or what was refused.
  function say(text) {
    trouble = text;
    notices();
  }

  function press(key) {
    if (looks[key]) { looks[key](); return true; }
    if (acts[key] && canDo(key)) { acts[key](); return true; }
    return false;
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    if (event.key === " " && event.target.closest("button")) return;
    if (press(event.key)) event.preventDefault();
  });
  for (const button of document.querySelectorAll("[data-key]")) {
    button.addEventListener("click", () => press(button.dataset.key));
  }

  window.labWire.listen((newer) => { frame = newer; show(); }, say);
})();
