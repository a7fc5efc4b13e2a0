// The live part of the page: levers, the model run for every draw, charts, copies. Nothing is loaded and nothing is sent.
(function () {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const model = flowreformModel();
  const live = document.getElementById("try");
  const say = document.getElementById("status");
  const plan = { option: data.focus, moved: new Map() };
  const own = { base: data.base, drawn: null };
  const width = 360;
  const height = 170;
  const left = 50;
  const bottom = 20;
  const top = 8;

  function el(tag, attributes, text) {
    const made = document.createElement(tag);
    Object.entries(attributes || {}).forEach(([name, value]) => made.setAttribute(name, value));
    if (text !== undefined) {
      made.textContent = text;
    }
    return made;
  }

  function mark(tag, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.entries(attributes || {}).forEach(([name, value]) => made.setAttribute(name, value));
    if (text !== undefined) {
      made.textContent = text;
    }
    return made;
  }

  function shown(item, value) {
    if (!Number.isFinite(value)) {
      return "–";
    }
    const by = 10 ** item.decimals;
    const places = Math.max(0, item.decimals);
    const number = (Math.round(Math.abs(value / item.factor) * by) / by).toLocaleString("en-GB", {
      minimumFractionDigits: places, maximumFractionDigits: places,
    });
    if (!/[1-9]/.test(number)) {
      return item.prefix + "0" + (item.suffix === "%" ? "%" : "");
    }
    return (value < 0 ? "−" : "") + item.prefix + number + item.suffix;
  }

  function worded(item, value) {
    return item.prefix || item.suffix || !item.unit ? shown(item, value) : shown(item, value) + " " + item.unit;
  }

  // The inputs of some draws in an option, with what was moved laid over.
  function inputs(option, moved, draws) {
    const rows = own.base.length;
    const values = new Float64Array(rows * draws);
    for (let row = 0; row < rows; row += 1) {
      values.fill(own.base[row], row * draws, (row + 1) * draws);
    }
    data.drawn.filter(([row]) => !own.drawn || own.drawn.has(row)).forEach(([row, column]) => {
      for (let draw = 0; draw < draws; draw += 1) {
        values[row * draws + draw] = column[draw];
      }
    });
    data.options[option].set.forEach(([row, value]) => values.fill(value, row * draws, (row + 1) * draws));
    moved.forEach((value, at) => {
      data.levers[at].rows.forEach((row) => values.fill(value, row * draws, (row + 1) * draws));
    });
    return { data: values, width: draws };
  }

  // Levers over time: straight lines between points, the first and last value held; NaN where a lever is left alone.
  function drive(option) {
    const moving = data.options[option].moving;
    if (!data.drives) {
      return null;
    }
    const many = 2 * model.steps + 3;
    const values = new Float64Array(data.drives * many).fill(NaN);
    moving.forEach(([series, times, points]) => {
      for (let half = 0; half < many; half += 1) {
        const time = data.start + Math.min(half, 2 * model.steps) * (data.dt / 2);
        let at = 0;
        while (at < times.length - 1 && times[at + 1] <= time) {
          at += 1;
        }
        let value = points[at];
        if (time > times[at] && at < times.length - 1) {
          value += (points[at + 1] - points[at]) / (times[at + 1] - times[at]) * (time - times[at]);
        }
        values[series * many + half] = time <= times[0] ? points[0] : value;
      }
    });
    return { data: values, width: many };
  }

  // Courses of every series as [time][run], failed runs left out.
  function run(option, moved, draws) {
    const { out, failed } = simulateModel(model, inputs(option, moved, draws), drive(option), draws);
    return data.series.map((item) => data.times.map((_, time) => {
      const first = (item.kept * out.middle + time) * out.width;
      const values = [];
      for (let draw = 0; draw < draws; draw += 1) {
        if (!failed[draw]) {
          values.push(out.data[first + draw]);
        }
      }
      return values;
    }));
  }

  function quantile(sorted, share) {
    if (!sorted.length) {
      return NaN;
    }
    const place = share * (sorted.length - 1);
    const under = Math.floor(place);
    const over = Math.min(under + 1, sorted.length - 1);
    return sorted[under] + (sorted[over] - sorted[under]) * (place - under);
  }

  function spread(values) {
    const sorted = Float64Array.from(values).sort();
    return [0.1, 0.5, 0.9].map((share) => quantile(sorted, share));
  }

  // --- does the model in this page give the results that were stored?

  function check() {
    let worst = 0;
    data.options.forEach((option, at) => {
      const found = run(at, new Map(), 1);
      option.check.forEach((course, series) => {
        const size = Math.max(...course.map((value) => Math.abs(value || 0)), 1e-300);
        course.forEach((value, time) => {
          const own = found[series][time][0];
          const gap = value === null ? (Number.isFinite(own) ? Infinity : 0) : Math.abs(own - value) / size;
          worst = Number.isNaN(gap) ? Infinity : Math.max(worst, gap);
        });
      });
    });
    return worst;
  }

  // --- charts

  function axis(item) {
    const rough = (item.high - item.low) / 3 || Math.abs(item.high) || 1;
    const size = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map((by) => by * size).find((by) => by >= rough * 0.999);
    const low = Math.floor(item.low / step + 1e-9) * step;
    const high = Math.ceil(item.high / step - 1e-9) * step;
    return { low, high: high > low ? high : low + step, step };
  }

  function fine(item, step) {
    let decimals = 0;
    while (decimals < 4 && Math.abs(step / item.factor * 10 ** decimals - Math.round(step / item.factor * 10 ** decimals)) > 1e-6) {
      decimals += 1;
    }
    return { ...item, decimals };
  }

  const charts = data.series.map((item) => {
    const figure = el("figure");
    figure.append(el("figcaption", {}, item.heading));
    const picture = mark("svg", { viewBox: "0 0 " + width + " " + height, role: "img", class: "chart" });
    figure.append(picture);
    document.getElementById("charts").append(figure);
    return { item, picture, axis: axis(item) };
  });

  function across(time) {
    const first = data.times[0];
    const last = data.times[data.times.length - 1];
    return left + (width - left - 6) * (time - first) / (last - first || 1);
  }

  function path(chart, values) {
    let text = "";
    values.forEach((value, at) => {
      if (Number.isFinite(value)) {
        const cut = Math.max(chart.axis.low, Math.min(chart.axis.high, value));
        text += (text ? "L" : "M") + across(data.times[at]).toFixed(1) + " " + up(chart, cut).toFixed(1);
      }
    });
    return text;
  }

  function up(chart, value) {
    return height - bottom - (height - bottom - top) * (value - chart.axis.low) / (chart.axis.high - chart.axis.low);
  }

  function frame(chart) {
    chart.picture.replaceChildren();
    const item = fine(chart.item, chart.axis.step);
    for (let value = chart.axis.low; value <= chart.axis.high + chart.axis.step * 1e-6; value += chart.axis.step) {
      const y = up(chart, value);
      chart.picture.append(mark("line", { x1: left, x2: width - 6, y1: y, y2: y, stroke: "#D8DDE0" }));
      chart.picture.append(mark("text", { x: left - 6, y: y + 4, "text-anchor": "end", "font-size": 11, fill: "#4C6272" }, shown(item, value)));
    }
    const every = Math.ceil(data.ticks.length / 6);
    data.ticks.forEach(([time, word], at) => {
      if (at % every === 0) {
        chart.picture.append(mark("text", { x: across(time), y: height - 5, "text-anchor": "middle", "font-size": 10.5, fill: "#4C6272" }, word));
      }
    });
  }

  const ghosts = new Map();

  function ghost(option) {
    if (!ghosts.has(option)) {
      ghosts.set(option, run(option, new Map(), data.draws).map((times) => times.map(spread)));
    }
    return ghosts.get(option);
  }

  function draw(whole) {
    const draws = whole ? data.draws : data.dragged;
    const found = run(plan.option, plan.moved, draws);
    const base = ghost(data.baseline);
    const spreads = found.map((times) => times.map(spread));
    charts.forEach((chart, at) => {
      frame(chart);
      const rows = spreads[at];
      if (draws > 1 && whole) {
        const under = rows.map((row) => row[0]);
        const over = rows.map((row) => row[2]);
        const back = path(chart, over).slice(1).split("L").reverse().join("L");
        chart.picture.append(mark("path", { d: path(chart, under) + "L" + back + "Z", fill: "#B9C6DE" }));
      }
      if (!whole) {
        for (let run = 0; run < draws; run += 1) {
          chart.picture.append(mark("path", { d: path(chart, found[at].map((values) => values[run])), fill: "none", stroke: "#5B7DB1", "stroke-width": 0.7 }));
        }
      }
      chart.picture.append(mark("path", { d: path(chart, base[at].map((row) => row[1])), fill: "none", stroke: "#4C6272", "stroke-width": 1.6, "stroke-dasharray": "5 3" }));
      chart.picture.append(mark("path", { d: path(chart, rows.map((row) => row[1])), fill: "none", stroke: "#003087", "stroke-width": 2.5 }));
      const peak = Math.max(...rows.map((row) => row[1]));
      if (peak > chart.axis.high) {
        chart.picture.append(mark("text", { x: width - 8, y: top + 12, "text-anchor": "end", "font-size": 12, fill: "#8A2A00" }, "▲ up to " + shown(chart.item, peak)));
      }
      const end = rows[rows.length - 1];
      const was = base[at][base[at].length - 1];
      chart.picture.setAttribute("aria-label", chart.item.label + ": your plan ends at " + worded(chart.item, end[1]) + ", " + data.options[data.baseline].label + " at " + worded(chart.item, was[1]));
    });
    if (whole) {
      table(spreads, base);
      const first = charts[0].item;
      const last = data.times.length - 1;
      say.textContent = (form ? form.said() : "") + draws + (draws === 1 ? " run. " : " runs. ") + first.label + " at the end: " + worded(first, spreads[0][last][1]) + "; " + data.options[data.baseline].label + ": " + worded(first, base[0][last][1]) + ".";
    }
  }

  function table(spreads, base) {
    const body = document.getElementById("outcomes");
    body.replaceChildren();
    const last = data.times.length - 1;
    data.series.forEach((item, at) => {
      const line = el("tr");
      line.append(el("th", { scope: "row" }, item.heading));
      const cell = (row) => shown(item, row[1]) + (data.draws > 1 ? " (" + shown(item, row[0]) + " to " + shown(item, row[2]) + ")" : "");
      line.append(el("td", {}, cell(spreads[at][last])), el("td", {}, cell(base[at][last])));
      line.append(el("td", {}, shown(item, Math.max(...spreads[at].map((row) => row[1])))));
      line.append(el("td", {}, shown(item, Math.max(...base[at].map((row) => row[1])))));
      body.append(line);
    });
  }

  // --- levers

  function value(at) {
    if (plan.moved.has(at)) {
      return plan.moved.get(at);
    }
    const row = data.levers[at].rows[0];
    const set = data.options[plan.option].set.find((pair) => pair[0] === row);
    return set ? set[1] : data.levers[at].today;
  }

  const fields = data.levers.map((lever, at) => {
    const box = el("div", { class: "lever" });
    const id = "lever" + at;
    box.append(el("label", { for: id }, lever.label));
    const slider = el("input", { type: "range", id, min: lever.low, max: lever.high, step: lever.step });
    const number = el("input", { type: "number", min: lever.low / lever.factor, max: lever.high / lever.factor, step: "any", "aria-label": lever.label + (lever.unit ? ", " + lever.unit : "") });
    const unit = el("span", { class: "unit" }, lever.unit);
    const hint = el("p", { class: "hint" });
    const row = el("div", { class: "row" });
    row.append(slider, number, unit);
    box.append(row, hint);
    document.getElementById("levers").append(box);
    const share = (part) => Math.max(0, Math.min(100, 100 * (part - lever.low) / (lever.high - lever.low))).toFixed(1) + "%";
    slider.style.setProperty("--from", share(lever.tested[0]));
    slider.style.setProperty("--to", share(lever.tested[1]));

    function move(next, whole) {
      plan.moved.set(at, Math.max(lever.low, Math.min(lever.high, next)));
      update(at);
      request(whole);
    }
    slider.addEventListener("input", () => move(Number(slider.value), false));
    slider.addEventListener("change", () => move(Number(slider.value), true));
    number.addEventListener("change", () => {
      if (number.value !== "" && Number.isFinite(Number(number.value))) {
        move(Number(number.value) * lever.factor, true);
      }
    });
    slider.addEventListener("keydown", (event) => {
      const by = { PageUp: 10, PageDown: -10 }[event.key];
      if (by) {
        event.preventDefault();
        move(Number(slider.value) + by * lever.step, true);
      }
    });
    return { slider, number, hint };
  });

  function update(at) {
    const lever = data.levers[at];
    const now = value(at);
    const field = fields[at];
    field.slider.value = now;
    field.slider.setAttribute("aria-valuetext", worded(lever, now));
    field.number.value = Number((now / lever.factor).toPrecision(6));
    const outside = now < lever.tested[0] - 1e-12 || now > lever.tested[1] + 1e-12;
    field.hint.textContent = "As the model stands: " + worded(lever, lever.today) + (outside ? ". Outside what the options of this paper try." : "");
    field.hint.classList.toggle("outside", outside);
  }

  let waiting = null;

  function request(whole) {
    if (waiting !== null) {
      waiting = waiting || whole;
      return;
    }
    waiting = whole;
    window.requestAnimationFrame(() => {
      const all = waiting;
      waiting = null;
      draw(all);
      if (all) {
        remember();
      }
    });
  }

  function choose(option) {
    plan.option = option;
    plan.moved.clear();
    document.getElementById("option").value = option;
    data.levers.forEach((_, at) => update(at));
    request(true);
  }

  // --- the state in the address, and copies

  function remember() {
    const parts = ["option=" + plan.option];
    plan.moved.forEach((now, at) => parts.push(at + "=" + now));
    if (form) {
      ["name", "source"].forEach((key) => parts.push(key + "=" + encodeURIComponent(document.getElementById("system" + key).value)));
      form.state().forEach(([key, text]) => parts.push(key + "=" + encodeURIComponent(text)));
    }
    try {
      window.history.replaceState(null, "", "#" + parts.join("&"));
    } catch (_) {
      // an address that may not be changed: nothing is lost but the link
    }
  }

  function recall() {
    const parts = new URLSearchParams(window.location.hash.slice(1));
    const option = Number(parts.get("option"));
    plan.option = parts.has("option") && data.options[option] ? option : data.focus;
    data.levers.forEach((lever, at) => {
      const now = Number(parts.get(String(at)));
      if (parts.has(String(at)) && Number.isFinite(now)) {
        plan.moved.set(at, Math.max(lever.low, Math.min(lever.high, now)));
      }
    });
  }

  function copy(text) {
    const area = document.getElementById("copied");
    area.hidden = false;
    area.value = text;
    area.select();
    const done = () => { say.textContent = "Copied. The text is in the box as well."; };
    if (navigator.clipboard && window.isSecureContext) {
      navigator.clipboard.writeText(text).then(done, () => { say.textContent = "The text is in the box: copy it from there."; });
    } else {
      say.textContent = "The text is in the box: copy it from there.";
    }
  }

  function experiment() {
    const option = data.options[plan.option];
    const lines = ["", "# Your plan, from the live page: " + option.label.replace(/[^ -~]/g, "?") + " with levers moved. Model SHA-256 " + data.model + ".",
      "[scenarios.your_plan]", "label = \"Your plan\"", "", "[scenarios.your_plan.set]"];
    const moved = new Set([...plan.moved.keys()].map((at) => data.levers[at].name));
    option.toml.forEach(([name, text]) => {
      if (!moved.has(name)) {
        lines.push(JSON.stringify(name) + " = " + text);
      }
    });
    plan.moved.forEach((now, at) => lines.push(JSON.stringify(data.levers[at].name) + " = " + now));
    return (form ? form.toml(data.toml) : data.toml) + lines.join("\n") + "\n";
  }

  // Every course with all its digits: time, then low, middle and high of the plan and of the baseline, series by series.
  function courses() {
    const plans = run(plan.option, plan.moved, data.draws).map((times) => times.map(spread));
    const base = ghost(data.baseline);
    const name = data.options[data.baseline].label;
    const head = data.series.flatMap((item) => ["Your plan", name].flatMap((who) =>
      ["1 in 10 below", "middle", "1 in 10 above"].map((part) => item.label + " (" + item.name + "), " + who + ", " + part)));
    const lines = data.times.map((time, at) => [time, ...data.series.flatMap((_, series) => [...plans[series][at], ...base[series][at]])]);
    return [["Time", ...head], ...lines].map((line) => line.join("\t")).join("\n");
  }

  function rows(table) {
    return [...document.querySelectorAll(table + " tr")].map((line) => [...line.children].map((cell) => cell.textContent).join("\t")).join("\n");
  }

  function fit() {
    const found = run(plan.option, plan.moved, data.draws);
    charts.forEach((chart, at) => {
      const every = found[at].flat().filter(Number.isFinite);
      chart.axis = axis({ low: Math.min(chart.item.low, ...every), high: Math.max(chart.item.high, ...every) });
    });
  }

  // The axes of a system of another size than the one before.
  function refit() {
    const found = run(plan.option, plan.moved, data.dragged);
    charts.forEach((chart, at) => {
      const known = ghost(data.baseline)[at].flat().concat(found[at].map(spread).flat()).filter(Number.isFinite);
      const low = Math.min(...known);
      const high = Math.max(...known);
      chart.item.low = low >= 0 && low < 0.5 * high ? 0 : low;
      chart.item.high = high;
      chart.axis = axis(chart.item);
    });
  }

  // --- the form, where the page has one

  function changed(base, drawn) {
    own.base = base;
    own.drawn = drawn;
    ghosts.clear();
    data.levers.forEach((lever, at) => {
      lever.today = base[lever.rows[0]];
      update(at);
    });
    refit();
  }

  // One set of inputs for each option, over the base of a system.
  function plans(base) {
    own.base = base;
    const columns = data.options.map((_, at) => Array.from(inputs(at, new Map(), 1).data));
    return [...columns, Array.from(inputs(plan.option, plan.moved, 1).data)].map((values) => {
      data.drawn.forEach(([row]) => { values[row] = base[row]; });
      return values;
    });
  }

  function retype() {
    form.update(plans);
    document.getElementById("copytoml").disabled = !data.toml || !form.runs();
    live.classList.toggle("stale", !form.runs());
    if (form.runs()) {
      request(true);
    } else {
      say.textContent = form.said() + "The charts are those of the numbers before.";
    }
  }

  // --- begin

  let form = null;
  let worst = check();
  if (data.form) {
    form = flowreformForm(data, changed);
    worst = Math.max(worst, form.worst);
  }
  const ok = worst < 1e-9;
  const line = document.getElementById("selfcheck");
  line.textContent = ok
    ? "The model in this page gives the results made by flowreform (largest difference " + (worst ? worst.toExponential(0) : "0") + ")."
    : "The model in this page does not give the stored results in this browser (difference " + worst.toExponential(0) + "). The levers are switched off; the paper above is not affected.";
  line.classList.add(ok ? "pass" : "alarm");
  document.getElementById("needs").remove();
  if (ok) {
    live.hidden = false;
    const options = document.getElementById("option");
    data.options.forEach((option, at) => options.append(el("option", { value: at }, option.label)));
    options.addEventListener("change", () => choose(Number(options.value)));
    document.getElementById("reset").addEventListener("click", () => choose(plan.option));
    document.getElementById("fit").addEventListener("click", () => {
      fit();
      request(true);
    });
    document.getElementById("copytable").addEventListener("click", () => copy(rows("#result")));
    document.getElementById("copycourses").addEventListener("click", () => copy(courses()));
    const toml = document.getElementById("copytoml");
    toml.disabled = !data.toml;
    toml.addEventListener("click", () => copy(experiment()));
    recall();
    options.value = plan.option;
    if (form) {
      form.recall(new URLSearchParams(window.location.hash.slice(1)));
      form.update(plans);
      form.fields.forEach((field) => field.box.addEventListener("change", () => {
        field.touched = true;
        retype();
      }));
      ["systemname", "systemsource"].forEach((name) => document.getElementById(name).addEventListener("change", remember));
      document.getElementById("copystart").addEventListener("click", () => copy(rows("#start")));
    }
    data.levers.forEach((_, at) => update(at));
    draw(true);
  } else {
    document.getElementById("trybox").prepend(el("p", { class: "alarm", role: "alert" }, line.textContent));
  }
}());
