"use strict";
// Draws the charts of a run from plain numbers (`lab.report.series`). Asks nobody for anything.
// `labCharts(told)` returns: draw() anew, update(told) with newer numbers, zoom(from, to), pan(by).
window.labCharts = function (told) {
  const sync = uPlot.sync("run");
  const EDGE_DASH = [[], [7, 4], [2, 3], [9, 3, 2, 3]];
  const LANE = 20;
  const KINDS = ["phase", "fault", "step", "schema", "pods", "traffic", "cluster", "gap", "note"];
  let charts = [];
  let window_ = null;

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const look = (release) => release % 4;
  const pixels = () => window.devicePixelRatio || 1;
  const size = () => Number(css("--chart-font")) || 13;
  const family = `system-ui, "DejaVu Sans", sans-serif`;
  const font = (points, weight) => `${weight || 400} ${points * pixels()}px ${family}`;
  const axisLeft = () => size() * 4 + 18;
  const edgeRight = () => size() * 2;
  const span = () => window_ || told.x;
  const variantOf = (place) => told.variants[Number(place.dataset.variant)];

  // A fill that is told apart without colour: stripes on the base colour.
  function striped(context, base, stripe, upright) {
    const edge = Math.round(8 * pixels());
    const tile = document.createElement("canvas");
    tile.width = tile.height = edge;
    const pen = tile.getContext("2d");
    if (base) { pen.fillStyle = base; pen.fillRect(0, 0, edge, edge); }
    pen.strokeStyle = stripe;
    pen.lineWidth = 1.6 * pixels();
    for (const shift of upright ? [edge / 2] : [-edge, 0, edge]) {
      pen.beginPath();
      if (upright) { pen.moveTo(shift, 0); pen.lineTo(shift, edge); }
      else { pen.moveTo(shift, edge); pen.lineTo(shift + edge, 0); }
      pen.stroke();
    }
    return context.createPattern(tile, "repeat");
  }

  function fillOf(context, kind, release) {
    if (kind === "silent") return striped(context, css("--ground"), css("--silent"), true);
    if (kind === "failed") return striped(context, css("--failed"), css("--failed-stripe"));
    if (kind === "hollow") return striped(context, css("--ground"), css(`--edge-${look(release)}`));
    return css(`--release-${look(release)}`);
  }

  function strokeOf(kind, release) {
    if (kind === "silent") return css("--silent");
    return kind === "failed" ? css("--failed-stripe") : css(`--edge-${look(release)}`);
  }

  // The last second ends one second later: repeat it, so that its step is drawn.
  const closed = (seconds) => seconds.concat(seconds.length ? seconds[seconds.length - 1] + 1 : []);
  const held = (values) => values.concat(values.length ? values[values.length - 1] : []);

  // Stacked from the first band up; drawn from the top down, each covering what lies below.
  function stack(bands, length) {
    const sums = new Array(length).fill(0);
    return bands.map((band) => {
      band.counts.forEach((count, place) => { sums[place] += count; });
      return { band, low: sums.map((sum, place) => sum - band.counts[place]), high: sums.slice() };
    });
  }

  function bandSeries(band) {
    return {
      label: band.label, scale: "y", stroke: strokeOf(band.kind, band.release), width: 1.5,
      dash: band.kind === "ok" ? EDGE_DASH[look(band.release)] : [],
      fill: (plot) => fillOf(plot.ctx, band.kind, band.release),
      paths: uPlot.paths.stepped({ align: 1 }), points: { show: false },
    };
  }

  function line(label, stroke, width, dash, stepped) {
    return {
      label, scale: "y", stroke, width, dash, points: { show: false }, spanGaps: false,
      paths: stepped ? uPlot.paths.stepped({ align: 1 }) : uPlot.paths.linear(),
    };
  }

  // Where the labels of the marks go: each in the first row in which it hides no other.
  function markPlaces(marks, measure, xOf, left, right, gap) {
    const rows = [];
    return marks.map((mark) => {
      const width = measure(mark.label) + 10 * gap;
      const x = xOf(mark.second);
      const at = Math.max(left, Math.min(x + 4 * gap, right - width));
      let row = 0;
      while (rows[row] !== undefined && rows[row] > at) row += 1;
      rows[row] = at + width;
      return { mark, x, at, row };
    });
  }

  const markRow = () => size() + 4;

  function drawMarks(place, labelled) {
    return (plot) => {
      const pen = plot.ctx;
      const { left, top, width, height } = plot.bbox;
      const seen = variantOf(place).marks.filter((m) => m.second >= span()[0] && m.second <= span()[1]);
      pen.save();
      pen.font = font(size(), 700);
      pen.textAlign = "left";
      pen.textBaseline = "top";
      const places = markPlaces(seen, (text) => pen.measureText(text).width,
        (second) => Math.round(plot.valToPos(second, "x", true)), left, left + width, pixels());
      for (const { mark, x, at, row } of places) {
        pen.strokeStyle = pen.fillStyle = css("--ink");
        pen.lineWidth = pixels();
        pen.setLineDash([4 * pixels(), 4 * pixels()]);
        let from = top;
        if (labelled) {
          from = (4 + row * markRow()) * pixels();
          pen.fillText(mark.label, at, from);
        }
        pen.beginPath();
        pen.moveTo(x, from);
        pen.lineTo(x, top + height);
        pen.stroke();
      }
      pen.restore();
    };
  }

  // How many rows the labels of the marks need, by the same rule that draws them.
  function markRows(variant, width) {
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = `700 ${size()}px ${family}`;
    const inner = width - axisLeft() - edgeRight();
    const [from, to] = span();
    const seen = variant.marks.filter((m) => m.second >= from && m.second <= to);
    const places = markPlaces(seen, (text) => pen.measureText(text).width,
      (second) => ((second - from) / (to - from)) * inner, 0, inner, 1);
    return places.reduce((most, each) => Math.max(most, each.row + 1), 0);
  }

  // What was foreseen before anything was done: a thick broken line, and its name where it begins.
  function drawForecast(place) {
    return (plot) => {
      const forecast = variantOf(place).forecast;
      if (!forecast || !forecast.points.some((point) => point[1] > 0)) return;
      const pen = plot.ctx;
      const { left, top, width, height } = plot.bbox;
      const steps = forecast.points.concat([[told.x[1], forecast.points[forecast.points.length - 1][1]]]);
      pen.save();
      pen.beginPath();
      pen.rect(left, top, width, height);
      pen.clip();
      pen.beginPath();
      let y = plot.valToPos(0, "y", true);
      steps.forEach(([second, count], number) => {
        const x = plot.valToPos(second, "x", true);
        if (number === 0) pen.moveTo(x, y); else pen.lineTo(x, y);
        y = plot.valToPos(count, "y", true);
        pen.lineTo(x, y);
      });
      pen.lineJoin = "round";
      for (const [stroke, thick, dash] of [[css("--ground"), 6, []], [css("--ink"), 3, [10, 6]]]) {
        pen.strokeStyle = stroke;
        pen.lineWidth = thick * pixels();
        pen.setLineDash(dash.map((each) => each * pixels()));
        pen.stroke();
      }
      const most = steps.reduce((best, each) => (each[1] > best[1] ? each : best));
      label(plot, "foreseen", plot.valToPos(most[0], "x", true) + 8 * pixels(),
        plot.valToPos(most[1], "y", true) - (size() + 2) * pixels());
      pen.restore();
    };
  }

  function label(plot, text, x, y) {
    const pen = plot.ctx;
    pen.font = font(size() + 2, 700);
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    pen.setLineDash([]);
    pen.strokeStyle = css("--ground");
    pen.lineWidth = 5 * pixels();
    pen.strokeText(text, x, y);
    pen.fillStyle = css("--ink");
    pen.fillText(text, x, y);
  }

  // Write a band's name into it, where it is highest.
  function drawNames(place, bandsOf, failedText) {
    return (plot) => {
      const variant = variantOf(place);
      const pen = plot.ctx;
      pen.save();
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      pen.lineJoin = "round";
      for (const layer of stack(bandsOf(variant), variant.seconds.length)) {
        const failed = layer.band.kind === "failed";
        const text = failed && failedText(variant) ? failedText(variant) : layer.band.name;
        const sizes = failed ? [size() + 11, size() + 5, size()] : [size() + 4, size()];
        const spot = sizes.map((each) => fit(plot, layer, variant.seconds, text, each)).find(Boolean);
        if (!spot) continue;
        pen.font = font(spot.size, 800);
        pen.strokeStyle = css("--ground");
        pen.lineWidth = 5 * pixels();
        pen.strokeText(text, spot.x, spot.y);
        pen.fillStyle = failed ? css("--failed-ink") : css("--ink");
        pen.fillText(text, spot.x, spot.y);
      }
      pen.restore();
    };
  }

  // A place for `text` in this size, or nothing where the band is too thin.
  function fit(plot, layer, seconds, text, points) {
    plot.ctx.font = font(points, 800);
    const half = plot.ctx.measureText(text).width / 2 + 6 * pixels();
    const perSecond = Math.abs(plot.valToPos(1, "x", true) - plot.valToPos(0, "x", true));
    const spot = roomiest(layer, seconds, Math.ceil(half / perSecond));
    if (spot === null) return null;
    const height = Math.abs(plot.valToPos(spot.height, "y", true) - plot.valToPos(0, "y", true));
    if (height < (points + 2) * pixels()) return null;
    const { left, width } = plot.bbox;
    const x = Math.min(Math.max(plot.valToPos(spot.second, "x", true), left + half), left + width - half);
    return { size: points, x, y: plot.valToPos(spot.middle, "y", true) };
  }

  // Where a name that reaches so many seconds each way has most room: the highest lowest count.
  function roomiest(layer, seconds, wanted) {
    const counts = layer.band.counts;
    const reach = Math.min(wanted, Math.floor((counts.length - 1) / 2));
    let best = null;
    for (let place = Math.max(reach, 0); place < counts.length - reach; place += 1) {
      if (seconds[place] < span()[0] || seconds[place] > span()[1]) continue;
      const around = counts.slice(place - reach, place + reach + 1);
      const height = Math.min.apply(null, around);
      if (height > 0 && (best === null || height > best.height)) {
        best = { height, second: seconds[place] + 0.5, middle: (layer.low[place] + layer.high[place]) / 2 };
      }
    }
    return best;
  }

  function options(place, height, extra) {
    const grid = { stroke: css("--line"), width: 1 };
    const axis = { stroke: css("--soft"), grid, ticks: grid, font: `${size()}px ${family}` };
    return {
      width: Math.max(place.clientWidth, 200),
      height,
      padding: [extra.top || 8, edgeRight(), 0, 0],
      legend: { show: false },
      cursor: {
        sync: { key: sync.key, setSeries: false }, y: false, points: { show: false },
        drag: { x: true, y: false, setScale: false, dist: 8 },
      },
      scales: { x: { time: false, range: () => span() }, y: extra.scale },
      axes: [
        Object.assign({
          size: size() + 19,
          values: (plot, splits) => splits.map((each) => `${each > 0 ? "+" : ""}${Number(each.toFixed(2))} s`),
        }, axis),
        Object.assign({ size: axisLeft(), values: extra.values, splits: extra.splits }, axis),
      ].map(dropUndefined),
      series: [{}].concat(extra.series),
      hooks: { draw: extra.draw || [], setCursor: [readout(place, extra.read)], setSelect: [select] },
    };
  }

  function dropUndefined(value) {
    return Object.fromEntries(Object.entries(value).filter((entry) => entry[1] !== undefined));
  }

  function select(plot) {
    if (plot.select.width < 4) return;
    const from = plot.posToVal(plot.select.left, "x");
    const to = plot.posToVal(plot.select.left + plot.select.width, "x");
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    zoom(from, to);
  }

  function readout(place, read) {
    const output = place.parentElement.querySelector(".readout");
    return (plot) => {
      if (!output) return;
      const variant = variantOf(place);
      const second = plot.cursor.left < 0 ? null : Math.floor(plot.posToVal(plot.cursor.left, "x"));
      const index = second === null ? -1 : second - variant.seconds[0];
      if (!(index >= 0 && index < variant.seconds.length)) {
        output.textContent = "";
        return;
      }
      const cells = read(variant, index).filter((cell) => cell[1] !== null && cell[1] !== 0);
      const numbers = cells.map((cell) => `${cell[0]} ${cell[1]}`).join(", ") || "nothing";
      output.textContent = `${second > 0 ? "+" : ""}${second} s: ${numbers}`;
    };
  }

  // Each kind of chart: `key` tells whether a chart can go on with newer numbers, `data` are these.
  function stacked(bandsOf, most, look_) {
    const drawn = (variant) => stack(bandsOf(variant), variant.seconds.length).reverse();
    return {
      key: (variant) => JSON.stringify(bandsOf(variant).map((band) => [band.label, band.kind, band.release])),
      data: (variant) => [closed(variant.seconds)].concat(drawn(variant).map((layer) => held(layer.high))),
      options: (place) => {
        const variant = variantOf(place);
        const rows = look_.marked ? Math.max(1, ...told.variants.map((each) => markRows(each, place.clientWidth))) : 0;
        return options(place, (Number(place.dataset.height) || look_.height) + rows * markRow(), {
          top: rows * markRow() + 8,
          scale: { range: () => [0, Math.max(most(), 1) * 1.04] },
          series: drawn(variant).map((layer) => bandSeries(layer.band)),
          draw: [drawNames(place, bandsOf, look_.failed), drawMarks(place, look_.marked)].concat(look_.forecast ? [drawForecast(place)] : []),
          read: (now, index) => bandsOf(now).map((band) => [band.label, band.counts[index]])
            .concat(look_.forecast ? [["foreseen failed", foreseen(now, index)]] : []),
        });
      },
    };
  }

  function foreseen(variant, index) {
    if (!variant.forecast) return null;
    const second = variant.seconds[index];
    const past = variant.forecast.points.filter((point) => point[0] <= second);
    return past.length ? past[past.length - 1][1] : null;
  }

  const same = (value) => value;

  function rank(version) {
    const place = told.versions.indexOf(version);
    return place < 0 ? null : place;
  }

  function lined(height, keys, extra) {
    return {
      key: () => keys.join(),
      data: (variant) => extra.stepped
        ? [closed(variant.seconds)].concat(keys.map((key) => held(variant[key].map(extra.map || same))))
        : [variant.seconds].concat(keys.map((key) => variant[key])),
      options: (place) => options(place, height, {
        scale: extra.scale, splits: extra.splits, values: extra.values, read: extra.read,
        series: extra.series(), draw: [drawMarks(place, false)],
      }),
    };
  }

  // Lanes below each other: `rowsOf` returns [{ label, items: [[from, to, kind, release]] }].
  function lanes(rowsOf, read) {
    return {
      key: (variant) => String(rowsOf(variant).length),
      data: (variant) => [closed(variant.seconds), closed(variant.seconds).map(() => null)],
      options: (place) => {
        const count = Math.max(rowsOf(variantOf(place)).length, 1);
        const lane = Math.max(LANE, size() + 6);
        return options(place, count * lane + size() + 30, {
          scale: { range: () => [-count, 0] },
          splits: () => Array.from({ length: count }, (_, row) => -row - 0.5),
          values: () => rowsOf(variantOf(place)).map((row) => row.label),
          series: [line("", css("--ink"), 0, [])],
          draw: [drawLanes(place, rowsOf), drawMarks(place, false)],
          read,
        });
      },
    };
  }

  function drawLanes(place, rowsOf) {
    return (plot) => {
      const pen = plot.ctx;
      const { left, top, width, height } = plot.bbox;
      pen.save();
      pen.beginPath();
      pen.rect(left, top, width, height);
      pen.clip();
      const x = (second) => plot.valToPos(second, "x", true);
      rowsOf(variantOf(place)).forEach((row, number) => {
        const upper = plot.valToPos(-number - 0.14, "y", true);
        const lower = plot.valToPos(-number - 0.86, "y", true);
        for (const [from, to, kind, release] of row.items) {
          if (to === from) { dot(pen, x(from), (upper + lower) / 2, kind); continue; }
          pen.fillStyle = fillOf(pen, kind, release);
          pen.strokeStyle = strokeOf(kind, release);
          pen.lineWidth = 1.5 * pixels();
          pen.setLineDash(kind === "ok" ? EDGE_DASH[look(release)].map((each) => each * pixels()) : []);
          pen.fillRect(x(from), upper, x(to) - x(from), lower - upper);
          pen.strokeRect(x(from), upper, x(to) - x(from), lower - upper);
        }
      });
      pen.restore();
    };
  }

  function dot(pen, x, y, kind) {
    const r = (size() / 3.2) * pixels();
    pen.setLineDash([]);
    pen.lineWidth = 1.5 * pixels();
    pen.fillStyle = kind === "fault" ? css("--failed") : css("--ink");
    pen.strokeStyle = css("--ground");
    pen.beginPath();
    if (kind === "fault") { pen.moveTo(x, y - r * 1.4); pen.lineTo(x + r * 1.4, y + r); pen.lineTo(x - r * 1.4, y + r); pen.closePath(); }
    else if (kind === "step") pen.rect(x - r, y - r, 2 * r, 2 * r);
    else pen.arc(x, y, r, 0, 2 * Math.PI);
    pen.fill();
    pen.stroke();
  }

  function podRows(variant) {
    const last = variant.seconds[variant.seconds.length - 1] + 1;
    return variant.lanes.map((lane, number) => ({
      label: number && variant.lanes[number - 1].node === lane.node ? "" : lane.node,
      items: lane.spans
        .map(([state, from, to]) => [from, to === null ? last : to, state === "ready" ? "ok" : "hollow", lane.release])
        .filter(([from, to]) => to > from),
    }));
  }

  function eventRows(variant) {
    return KINDS.map((kind) => ({
      label: kind,
      items: variant.rows.filter((row) => row[1] === kind).map((row) => [row[0], row[0], kind, 0]),
    })).filter((row) => row.items.length);
  }

  const kinds = {
    requests: stacked((v) => v.bands, () => told.most.requests,
      { height: 300, marked: true, forecast: true, failed: (v) => v.failed }),
    pods: stacked((v) => v.pods, () => told.most.pods, { height: 190, marked: false, failed: () => "" }),
    latency: lined(200, ["max", "p99", "p50"], {
      scale: { distr: 3, range: () => told.latency },
      splits: () => told.decades,
      values: (plot, splits) => splits.map((each) => `${each} ms`),
      series: () => [
        line("max", css("--soft"), 1.5, [2, 3]),
        line("p99", css("--edge-0"), 2, [7, 4]),
        line("p50", css("--ink"), 2.5, []),
      ],
      read: (v, index) => ["p50", "p99", "max"].map((key) => [key, v[key][index] === null ? null : `${v[key][index]} ms`]),
    }),
    // Versions as ranks: the floor may lie far below, and the steps are what matters.
    schema: lined(120, ["schema", "floor"], {
      stepped: true,
      map: rank,
      scale: { range: () => [-0.6, Math.max(told.versions.length, 1) - 0.4] },
      splits: () => told.versions.map((_, place) => place),
      values: () => told.versions.map(String),
      series: () => [line("schema", css("--ink"), 3.5, [], true), line("floor", css("--soft"), 2, [3, 4], true)],
      read: (v, index) => [["schema version", v.schema[index]], ["compat floor", v.floor[index]]],
    }),
    database: lined(170, ["connections", "blocked"], {
      stepped: true,
      scale: { range: () => [0, Math.max(told.most.sessions, 1) * 1.08] },
      series: () => [
        line("connections", css("--edge-0"), 2, [7, 4], true),
        Object.assign(line("blocked", css("--failed-stripe"), 2, [], true), { fill: (plot) => fillOf(plot.ctx, "failed", 0) }),
      ],
      read: (v, index) => [["connections", v.connections[index]], ["blocked sessions", v.blocked[index]],
        ["longest wait s", v.waits[index]]],
    }),
    lanes: lanes(podRows, (v, index) => v.lanes.flatMap((lane) => lane.spans
      .filter(([state, from, to]) => from <= v.seconds[index] && (to === null || to > v.seconds[index]))
      .map(([state]) => [`${lane.node} ${lane.name}`, state]))),
    timeline: lanes(eventRows, (v, index) => v.rows
      .filter((row) => Math.floor(row[0]) === v.seconds[index] && row[2]).slice(0, 4).map((row) => [row[2], ""])),
  };

  function make(place) {
    const kind = kinds[place.dataset.chart];
    const variant = variantOf(place);
    const plot = new uPlot(kind.options(place), kind.data(variant), place);
    return { place, kind, plot, key: kind.key(variant), rows: markRows(variant, place.clientWidth), width: place.clientWidth };
  }

  function renew(chart) {
    const { place, kind } = chart;
    const variant = variantOf(place);
    const same = chart.key === kind.key(variant) && chart.width === place.clientWidth
      && chart.rows === markRows(variant, place.clientWidth);
    if (!same) {
      chart.plot.destroy();
      return make(place);
    }
    chart.plot.setData(kind.data(variant));
    return chart;
  }

  function draw() {
    charts.forEach((chart) => chart.plot.destroy());
    charts = Array.from(document.querySelectorAll(".chart")).filter((place) => variantOf(place)).map(make);
    document.documentElement.dataset.drawn = String(charts.length);
  }

  // With newer numbers: places that are still there go on, new ones are drawn, others go.
  function update(newer) {
    told = newer;
    const places = Array.from(document.querySelectorAll(".chart")).filter((place) => variantOf(place));
    const known = new Map(charts.map((chart) => [chart.place, chart]));
    charts.filter((chart) => !places.includes(chart.place)).forEach((chart) => chart.plot.destroy());
    charts = places.map((place) => (known.has(place) ? renew(known.get(place)) : make(place)));
    document.documentElement.dataset.drawn = String(charts.length);
  }

  function zoom(from, to) {
    const [first, last] = told.x;
    const low = Math.max(first, Math.min(from, to));
    const high = Math.min(last, Math.max(from, to));
    window_ = high - low < 1 || (low <= first && high >= last) ? null : [low, high];
    document.documentElement.dataset.zoom = window_ ? window_.map((each) => each.toFixed(1)).join(" ") : "";
    draw();
  }

  // Nearer by `factor` below 1, further above; around the middle of what is seen.
  function scale(factor) {
    const [from, to] = span();
    const half = Math.max(((to - from) / 2) * factor, 1);
    zoom((from + to) / 2 - half, (from + to) / 2 + half);
  }

  function pan(share) {
    const [from, to] = span();
    const [first, last] = told.x;
    const by = Math.max(first - from, Math.min(last - to, (to - from) * share));
    zoom(from + by, to + by);
  }

  let waiting = 0;
  function drawSoon() {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(draw);
  }

  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== width) { width = window.innerWidth; drawSoon(); }
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawSoon);
  window.matchMedia("print").addEventListener("change", draw);
  document.addEventListener("dblclick", (event) => {
    if (event.target.closest(".chart")) zoom(told.x[0], told.x[1]);
  });
  return { draw, drawSoon, update, zoom, scale, pan, all: () => zoom(told.x[0], told.x[1]) };
};
