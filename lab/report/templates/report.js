"use strict";
// Draws the charts of a report from the JSON that the page carries. Asks nobody for anything.
(function () {
  const told = JSON.parse(document.getElementById("series").textContent);
  const sync = uPlot.sync("run");
  const EDGE_DASH = [[], [7, 4], [2, 3], [9, 3, 2, 3]];
  const MARK_ROW = 17;
  const AXIS_LEFT = 68;
  const EDGE_RIGHT = 26;
  let charts = [];

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const look = (release) => release % 4;
  const pixels = () => window.devicePixelRatio || 1;
  const font = (size, weight) => `${weight || 400} ${size * pixels()}px system-ui, "DejaVu Sans", sans-serif`;

  // A fill that is told apart without colour: stripes on the base colour.
  function striped(context, base, stripe, upright) {
    const size = Math.round(8 * pixels());
    const tile = document.createElement("canvas");
    tile.width = tile.height = size;
    const pen = tile.getContext("2d");
    if (base) { pen.fillStyle = base; pen.fillRect(0, 0, size, size); }
    pen.strokeStyle = stripe;
    pen.lineWidth = 1.6 * pixels();
    for (const shift of upright ? [size / 2] : [-size, 0, size]) {
      pen.beginPath();
      if (upright) { pen.moveTo(shift, 0); pen.lineTo(shift, size); }
      else { pen.moveTo(shift, size); pen.lineTo(shift + size, 0); }
      pen.stroke();
    }
    return context.createPattern(tile, "repeat");
  }

  function bandFill(band) {
    return (plot) => {
      if (band.kind === "silent") return striped(plot.ctx, css("--ground"), css("--silent"), true);
      if (band.kind === "failed") return striped(plot.ctx, css("--failed"), css("--failed-stripe"));
      if (band.kind === "hollow") return striped(plot.ctx, css("--ground"), css(`--edge-${look(band.release)}`));
      return css(`--release-${look(band.release)}`);
    };
  }

  function bandStroke(band) {
    if (band.kind === "silent") return css("--silent");
    return band.kind === "failed" ? css("--failed-stripe") : css(`--edge-${look(band.release)}`);
  }

  // The last second ends one second later: repeat it, so that its step is drawn.
  const closed = (seconds) => seconds.concat(seconds.length ? seconds[seconds.length - 1] + 1 : []);
  const held = (values) => values.concat(values.length ? values[values.length - 1] : []);

  // Stacked from the first band up; drawn from the top down, each covering what lies below.
  function stack(bands, length) {
    const sums = new Array(length).fill(0);
    const layers = bands.map((band) => {
      band.counts.forEach((count, place) => { sums[place] += count; });
      return { band, low: sums.map((sum, place) => sum - band.counts[place]), high: sums.slice() };
    });
    return layers;
  }

  function bandSeries(layer) {
    return {
      label: layer.band.label, scale: "y", stroke: bandStroke(layer.band), width: 1.5,
      dash: layer.band.kind === "ok" ? EDGE_DASH[look(layer.band.release)] : [],
      fill: bandFill(layer.band), paths: uPlot.paths.stepped({ align: 1 }), points: { show: false },
    };
  }

  function line(label, stroke, width, dash, stepped) {
    return {
      label, scale: "y", stroke, width, dash, points: { show: false }, spanGaps: false,
      paths: stepped ? uPlot.paths.stepped({ align: 1 }) : uPlot.paths.linear(),
    };
  }

  function drawMarks(variant, labelled) {
    return (plot) => {
      const pen = plot.ctx;
      const box = plot.bbox;
      const rows = [];
      pen.save();
      pen.font = font(13, 700);
      pen.textAlign = "left";
      for (const mark of variant.marks) {
        const x = Math.round(plot.valToPos(mark.second, "x", true));
        if (x < box.left || x > box.left + box.width) continue;
        pen.strokeStyle = css("--ink");
        pen.lineWidth = pixels();
        pen.setLineDash([4 * pixels(), 4 * pixels()]);
        let top = box.top;
        if (labelled) {
          const width = pen.measureText(mark.label).width + 10 * pixels();
          const left = Math.min(x + 4 * pixels(), box.left + box.width - width);
          let row = 0;
          while (rows[row] !== undefined && rows[row] > left) row += 1;
          rows[row] = left + width;
          top = (4 + row * MARK_ROW) * pixels();
          pen.fillStyle = css("--ink");
          pen.textBaseline = "top";
          pen.fillText(mark.label, left, top);
        }
        pen.beginPath();
        pen.moveTo(x, top);
        pen.lineTo(x, box.top + box.height);
        pen.stroke();
      }
      pen.restore();
    };
  }

  // How many rows the labels of the marks need, by the same rule that draws them.
  function markRows(variant, width) {
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = `700 13px system-ui, "DejaVu Sans", sans-serif`;
    const span = told.x[1] - told.x[0];
    const inner = width - AXIS_LEFT - EDGE_RIGHT;
    const rows = [];
    for (const mark of variant.marks) {
      const size = pen.measureText(mark.label).width + 10;
      const at = ((mark.second - told.x[0]) / span) * inner + 4;
      const left = Math.min(at, inner - size);
      let row = 0;
      while (rows[row] !== undefined && rows[row] > left) row += 1;
      rows[row] = left + size;
    }
    return rows.length;
  }

  // Write a band's name into it, where it is highest.
  function drawNames(layers, seconds, failedText) {
    return (plot) => {
      const pen = plot.ctx;
      pen.save();
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      pen.lineJoin = "round";
      for (const layer of layers) {
        const failed = layer.band.kind === "failed";
        const text = failed && failedText ? failedText : layer.band.name;
        const spot = (failed ? [24, 18, 13] : [17, 13]).map((size) => fit(plot, layer, seconds, text, size)).find(Boolean);
        if (!spot) continue;
        const { x, y } = spot;
        pen.font = font(spot.size, 800);
        pen.strokeStyle = css("--ground");
        pen.lineWidth = 5 * pixels();
        pen.strokeText(text, x, y);
        pen.fillStyle = failed ? css("--failed-ink") : css("--ink");
        pen.fillText(text, x, y);
      }
      pen.restore();
    };
  }

  // A place for `text` in this size, or nothing where the band is too thin.
  function fit(plot, layer, seconds, text, size) {
    plot.ctx.font = font(size, 800);
    const half = plot.ctx.measureText(text).width / 2 + 6 * pixels();
    const perSecond = Math.abs(plot.valToPos(1, "x", true) - plot.valToPos(0, "x", true));
    const spot = roomiest(layer, seconds, Math.ceil(half / perSecond));
    if (spot === null) return null;
    const height = Math.abs(plot.valToPos(spot.height, "y", true) - plot.valToPos(0, "y", true));
    if (height < (size + 2) * pixels()) return null;
    const { left, width } = plot.bbox;
    const x = Math.min(Math.max(plot.valToPos(spot.second, "x", true), left + half), left + width - half);
    return { size, x, y: plot.valToPos(spot.middle, "y", true) };
  }

  // Where a name that reaches so many seconds each way has most room: the highest lowest count.
  function roomiest(layer, seconds, wanted) {
    const counts = layer.band.counts;
    const reach = Math.min(wanted, Math.floor((counts.length - 1) / 2));
    let best = null;
    for (let place = reach; place < counts.length - reach; place += 1) {
      const around = counts.slice(place - reach, place + reach + 1);
      const height = Math.min.apply(null, around);
      if (height > 0 && (best === null || height > best.height)) {
        best = { height, place, second: seconds[place] + 0.5, middle: (layer.low[place] + layer.high[place]) / 2 };
      }
    }
    return best;
  }

  function options(place, variant, height, extra) {
    const grid = { stroke: css("--line"), width: 1 };
    const axis = { stroke: css("--soft"), grid, ticks: grid, font: `13px system-ui, "DejaVu Sans", sans-serif` };
    return {
      width: Math.max(place.clientWidth, 200),
      height,
      padding: [extra.top || 8, EDGE_RIGHT, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: sync.key, setSeries: false }, drag: { x: true, y: false }, y: false },
      scales: { x: { time: false, range: () => told.x }, y: extra.scale },
      axes: [
        Object.assign({ size: 32, values: (plot, splits) => splits.map((each) => `${each > 0 ? "+" : ""}${each} s`) }, axis),
        Object.assign({ size: AXIS_LEFT, values: extra.values, splits: extra.splits }, axis),
      ].map(dropUndefined),
      series: [{}].concat(extra.series),
      hooks: { draw: extra.draw || [], setCursor: [readout(place, variant, extra.read)] },
    };
  }

  function dropUndefined(value) {
    return Object.fromEntries(Object.entries(value).filter((entry) => entry[1] !== undefined));
  }

  function readout(place, variant, read) {
    const output = place.parentElement.querySelector(".readout");
    return (plot) => {
      const index = plot.cursor.idx;
      if (index === null || index === undefined || index >= variant.seconds.length) {
        output.textContent = "";
        return;
      }
      const second = variant.seconds[index];
      const cells = read(index).filter((cell) => cell[1] !== null && cell[1] !== 0);
      output.textContent = `${second > 0 ? "+" : ""}${second} s: ${cells.map((cell) => `${cell[0]} ${cell[1]}`).join(", ") || "nothing"}`;
    };
  }

  function stacked(place, variant, bands, height, most, marked, failedText) {
    const layers = stack(bands, variant.seconds.length);
    const drawn = layers.slice().reverse();
    const data = [closed(variant.seconds)].concat(drawn.map((layer) => held(layer.high)));
    const rows = marked ? Math.max.apply(null, told.variants.map((each) => markRows(each, place.clientWidth))) : 0;
    return new uPlot(options(place, variant, height + rows * MARK_ROW, {
      top: marked ? rows * MARK_ROW + 8 : 8,
      scale: { range: () => [0, Math.max(most, 1) * 1.04] },
      series: drawn.map(bandSeries),
      draw: [drawMarks(variant, marked), drawNames(layers, variant.seconds, failedText)],
      read: (index) => bands.map((band) => [band.label, band.counts[index]]),
    }), data, place);
  }

  const chartKinds = {
    requests: (place, variant) => stacked(place, variant, variant.bands, 300, told.most.requests, true, variant.failed),
    pods: (place, variant) => stacked(place, variant, variant.pods, 190, told.most.pods, false, ""),
    latency: (place, variant) => new uPlot(options(place, variant, 200, {
      scale: { distr: 3, range: () => told.latency },
      splits: () => told.decades,
      values: (plot, splits) => splits.map((each) => `${each} ms`),
      series: [
        line("max", css("--soft"), 1.5, [2, 3]),
        line("p99", css("--edge-0"), 2, [7, 4]),
        line("p50", css("--ink"), 2.5, []),
      ],
      draw: [drawMarks(variant, false)],
      read: (index) => [["p50", variant.p50[index]], ["p99", variant.p99[index]], ["max", variant.max[index]]].map((cell) => [cell[0], cell[1] === null ? null : `${cell[1]} ms`]),
    }), [variant.seconds, variant.max, variant.p99, variant.p50], place),
    schema: (place, variant) => new uPlot(options(place, variant, 110, {
      scale: { range: () => [told.schema[0] - 0.6, told.schema[1] + 0.6] },
      splits: () => told.versions,
      values: (plot, splits) => splits.map((each) => String(each)),
      series: [line("schema", css("--ink"), 3.5, [], true)],
      draw: [drawMarks(variant, false)],
      read: (index) => [["schema version", variant.schema[index]]],
    }), [closed(variant.seconds), held(variant.schema)], place),
    database: (place, variant) => new uPlot(options(place, variant, 170, {
      scale: { range: () => [0, Math.max(told.most.sessions, 1) * 1.08] },
      series: [
        line("connections", css("--edge-0"), 2, [7, 4], true),
        Object.assign(line("blocked", css("--failed-stripe"), 2, [], true), { fill: bandFill({ kind: "failed" }) }),
      ],
      draw: [drawMarks(variant, false)],
      read: (index) => [["connections", variant.connections[index]], ["blocked sessions", variant.blocked[index]]],
    }), [closed(variant.seconds), held(variant.connections), held(variant.blocked)], place),
  };

  function draw() {
    charts.forEach((chart) => chart.destroy());
    charts = [];
    for (const place of document.querySelectorAll(".chart")) {
      const variant = told.variants[Number(place.dataset.variant)];
      charts.push(chartKinds[place.dataset.chart](place, variant));
    }
    document.documentElement.dataset.drawn = String(charts.length);
  }

  let waiting = 0;
  function drawSoon() {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(draw);
  }

  draw();
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== width) { width = window.innerWidth; drawSoon(); }
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawSoon);
  window.matchMedia("print").addEventListener("change", draw);
})();
