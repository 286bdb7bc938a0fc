"use strict";
// The page of a stored run: its charts, and looking closer at them by mouse and by keys.
(function () {
  const told = JSON.parse(document.getElementById("series").textContent);
  const charts = window.labCharts(told);
  const acts = {
    z: () => charts.scale(0.5),
    x: () => charts.scale(2),
    a: () => charts.pan(-0.25),
    d: () => charts.pan(0.25),
    0: () => charts.all(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea")) return;
    if (acts[event.key]) acts[event.key]();
  });
  for (const button of document.querySelectorAll("[data-key]")) {
    button.addEventListener("click", () => acts[button.dataset.key]());
  }
  charts.draw();
  window.labReport = charts;
})();
