"use strict";
// The page that the trainer alone sees: notes, the next step, and what the room says.
(function () {
  const byId = (id) => document.getElementById(id);
  const NEEDS = { " ": ["pause"], n: ["step"], "-": ["speed", -1], "+": ["speed", 1], ArrowLeft: ["seek", -5], ArrowRight: ["seek", 5] };
  const given = location.hash.slice(1);
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname);
  }
  const token = sessionStorage.getItem("token") || "";
  let frame = null;
  let at = "";

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function say(text) {
    byId("notices").replaceChildren(...(text ? [element("p", "notice", text)] : []));
  }

  async function act(what, value) {
    const refused = await window.labWire.act(token, what, value);
    say(refused);
    return !refused;
  }

  function show() {
    if (frame.failure !== undefined) { say(`${frame.failure}. ${frame.hint}`); return; }
    const clock = frame.clock;
    byId("clock").textContent = clock
      ? `${clock.length ? `${clock.second} of ${clock.length} s, ` : ""}${clock.speed}×${clock.paused ? ", paused" : ""}` : frame.mode;
    for (const button of document.querySelectorAll("[data-key]")) {
      button.hidden = !(frame.can && frame.can.includes(NEEDS[button.dataset.key][0]));
    }
    const active = (frame.variants || []).find((each) => each.name === frame.active);
    const tiles = (active ? active.tiles.slice(0, 4) : []).map((tile) => {
      const made = element("div", `tile ${tile.tone}`);
      made.append(element("dt", "", tile.label), element("dd", "", tile.value));
      return made;
    });
    byId("tiles").replaceChildren(...tiles);
    const now = JSON.stringify([frame.at || null, active ? active.phase : ""]);
    if (now !== at) { at = now; notes(); }
  }

  async function notes() {
    const told = await window.labWire.notes(token);
    if (told.refused) { say(told.refused); return; }
    const scenes = told.scenes || [];
    byId("scene-name").textContent = scenes[told.place] || "Trainer";
    byId("next").textContent = told.next || "";
    byId("notes").replaceChildren(...(told.notes || []).map((text) => element("li", "", text)));
    byId("scenes").replaceChildren(...scenes.map((text, place) => {
      const item = element("li", place === told.place ? "waiting" : place > told.place ? "to-come" : "");
      item.append(element("span", "", place < told.place ? "✓" : place === told.place ? "▶" : "·"), element("span", "", text));
      return item;
    }));
    ask(told.asks || []);
  }

  function ask(asks) {
    byId("guess").hidden = !asks.length;
    if (byId("asks").dataset.scene === byId("scene-name").textContent) return;
    byId("asks").dataset.scene = byId("scene-name").textContent;
    byId("kept").textContent = "";
    byId("asks").replaceChildren(...asks.flatMap((each) => {
      const label = element("label", "", each.text + (each.unit ? ` (${each.unit})` : ""));
      const input = element(each.most === null ? "select" : "input");
      if (each.most === null) for (const text of ["", "yes", "no"]) input.append(element("option", "", text));
      else { input.type = "number"; input.min = "0"; input.max = String(each.most); }
      input.id = input.name = each.name;
      label.htmlFor = each.name;
      if (each.said !== null) input.value = String(each.said);
      return [label, input];
    }));
  }

  byId("guess").addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = {};
    for (const input of byId("asks").querySelectorAll("input, select")) {
      if (input.value !== "") said[input.name] = input.type === "number" ? Number(input.value) : input.value;
    }
    if (await act("guess", said)) byId("kept").textContent = "Written down.";
  });

  const press = (key) => {
    const told = NEEDS[key];
    if (!told || !frame || !frame.can || !frame.can.includes(told[0])) return false;
    act(...told);
    return true;
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    if (event.key === " " && event.target.closest("button")) return;
    if (press(event.key)) event.preventDefault();
  });
  for (const button of document.querySelectorAll("[data-key]")) button.addEventListener("click", () => press(button.dataset.key));

  window.labWire.listen((newer) => { frame = newer; show(); }, say);
})();
