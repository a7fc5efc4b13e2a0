// The form: what is typed becomes inputs of the model by the functions above, and the start is judged before anything is run.
function flowreformForm(data, changed) {
  "use strict";
  const form = data.form;
  const infinite = (values, bound) => values.map((value) => (value === null ? bound : value));
  const tables = { ...form.tables, low: infinite(form.tables.low, -Infinity), high: infinite(form.tables.high, Infinity) };
  const start = flowreformStart();
  const fields = form.fields.map((field, at) => ({ ...field, box: document.getElementById("field" + at), touched: false }));
  const byId = (name) => document.getElementById(name);
  let now = null;

  function number(value) {
    if (!Number.isFinite(value)) {
      return "–";
    }
    const million = Math.abs(value) >= 1e6;
    const size = million ? value / 1e6 : value;
    const decimals = size === 0 ? 0 : Math.min(10, Math.max(0, 3 - Math.floor(Math.log10(Math.abs(size)))));
    return size.toLocaleString("en-GB", { maximumFractionDigits: decimals }) + (million ? " million" : "");
  }

  function said(value, unit) {
    return unit[0] + number(value * unit[1]) + unit[2];
  }

  // The same where the unit stands beside it: only a sign of money or of per cent stays.
  function plain(value, unit) {
    return said(value, [unit[0], unit[1], unit[2].startsWith(" %") ? "%" : ""]);
  }

  // What a field holds: a number, the middle of a range that stands in the file, or NaN. Also whether it can be read.
  function read(field) {
    const text = field.box.value.trim();
    if (text === "" && !field.box.validity.badInput) {
      return { value: field.range === null ? NaN : field.range, typed: false, fault: "" };
    }
    if (field.choices.length) {
      return { value: field.choices.find((pair) => pair[0] === text)[1], typed: true, fault: "" };
    }
    const value = field.touched || field.given === null ? Number(text) / field.unit[1] : field.given;
    if (text === "" || !Number.isFinite(value)) {
      return { value: NaN, typed: true, fault: "a number is needed" };
    }
    return { value, typed: true, fault: field.whole && Math.abs(value) > 1 ? "more than the whole: 93 is 93 per cent" : "" };
  }

  function solved(entered) {
    const many = tables.count;
    const found = { values: [], sizes: [], held: [], came: new Array(many).fill(0), wanted: new Array(many).fill(NaN) };
    solve(tables, form.national, entered, found.values, found.sizes, found.held, found.came, found.wanted);
    return { ...found, base: found.values.slice(0, tables.typed) };
  }

  // Variables of the model after no time at all.
  function cells(base) {
    const { out } = simulateModel(start, { data: Float64Array.from(base), width: 1 }, null, 1);
    return Array.from({ length: form.cells }, (_, at) => out.data[at * out.middle * out.width]);
  }

  const national = form.start.map((_, at) => product(form.products, [...cells(form.national), ...fields.map(() => NaN)], at));

  function lines(base, entered) {
    const here = [...cells(base), ...entered];
    return form.start.map((item, at) => {
      if (item.needs.some((field) => Number.isNaN(entered[field]))) {
        return null;
      }
      const value = product(form.products, here, at);
      const counted = item.at < 0 ? NaN : entered[item.at];
      const least = item.least === null ? -Infinity : item.least;
      const most = item.most === null ? Infinity : item.most;
      const gap = off(value, counted, least, most);
      const unusual = (item.low !== null && value < item.low) || (item.high !== null && value > item.high);
      let text = "";
      if (gap !== 0) {
        const how = gap === value - counted
          ? said(counted, item.unit) + " counted, " + said(value, item.unit) + " by the other numbers"
          : said(value, item.unit) + ", and it must be " + (value < least ? "at least " + said(least, item.unit) : "at most " + said(most, item.unit));
        text = item.label + ": " + how + "; " + said(Math.abs(gap), item.unit) + " off. Change " + item.change + ".";
      }
      return { item, value, counted, national: national[at], text, note: gap !== 0 ? "does not add up" : unusual ? "unusual" : "" };
    });
  }

  // Rules without which an experiment is refused, in every set of inputs that it would run.
  function broken(bases) {
    const found = new Map();
    bases.forEach((base) => {
      const here = cells(base);
      const sum = (places) => places.reduce((total, at) => total + here[at], 0);
      form.rules.forEach((rule, at) => {
        if (sum(rule.add) - sum(rule.less) < rule.least) {
          found.set(at, rule.reason.slice(0, 1).toUpperCase() + rule.reason.slice(1) + ". A plan with such a start is not run.");
        }
      });
    });
    return [...found.values()];
  }

  const reasons = {
    3: "less than its parts together",
    4: "outside what the model can take",
    5: "left blank, and the other numbers leave nothing possible for it",
  };

  function show(found, entered, faults) {
    fields.forEach((field, at) => {
      const size = field.scale ? found.sizes[tables.scale[at]] : 1;
      const bound = [field.low, field.high].map((value) => (value === null ? null : value * size));
      const value = entered[at];
      const blank = field.box.value === "";
      let flag = faults[at];
      if (!flag && !blank && !field.choices.length) {
        flag = bound[1] !== null && value > bound[1] ? "over the range of real systems" : bound[0] !== null && value < bound[0] ? "under the range of real systems" : "";
      }
      byId("field" + at + "flag").textContent = flag ? flag.slice(0, 1).toUpperCase() + flag.slice(1) : "";
      byId("field" + at + "flag").classList.toggle("fault", Boolean(faults[at]));
      field.box.setAttribute("aria-invalid", faults[at] ? "true" : "false");
      byId("field" + at + "bounds").textContent = bound.filter((one) => one !== null).map((one) => plain(one, field.unit)).join(" to ");
      const taken = counted(tables, found.values, at);
      const word = field.choices.find((pair) => pair[1] === taken);
      const text = field.choices.length ? (word ? word[0].replace(/_/g, " ") : "") : Number.isNaN(taken) ? "" : plain(taken, field.unit);
      byId("field" + at + "blank").textContent = !blank ? "" : field.range !== null ? field.said : text + (found.came[at] === 6 ? ", from the others" : "");
    });
  }

  function table(list) {
    const body = byId("identities");
    body.replaceChildren();
    list.filter(Boolean).forEach((line) => {
      const row = document.createElement("tr");
      const cell = (tag, text) => {
        const made = document.createElement(tag);
        made.textContent = text;
        row.append(made);
        return made;
      };
      const text = (value) => (value === null || Number.isNaN(value) ? "" : said(value, line.item.unit));
      cell("th", line.item.label).setAttribute("scope", "row");
      [line.value, line.counted, line.national, line.item.median, line.item.best].forEach((value) => cell("td", text(value)));
      cell("td", line.note);
      row.classList.toggle("open", line.text !== "");
      body.append(row);
    });
  }

  // Everything that follows from what is typed; `plans` gives the inputs that each option sets over the base.
  function update(plans) {
    const reads = fields.map(read);
    const entered = reads.map((one) => one.value);
    const found = solved(entered);
    const faults = reads.map((one, at) => one.fault || reasons[found.came[at]] || "");
    const wrong = faults.some(Boolean);
    show(found, entered, faults);
    const list = wrong ? [] : lines(found.base, entered);
    const opens = wrong
      ? faults.map((fault, at) => fault && fields[at].label + ": " + fault + ".").filter(Boolean)
      : [...list.filter((line) => line && line.text).map((line) => line.text), ...broken(plans(found.base))];
    const whole = byId("closes");
    whole.textContent = wrong ? "These numbers cannot be taken:" : opens.length ? "Does not add up:" : "All counts agree with one another.";
    whole.classList.toggle("fault", wrong || opens.length > 0);
    byId("opens").replaceChildren(...opens.map((text) => {
      const made = document.createElement("li");
      made.textContent = text;
      return made;
    }));
    table(list);
    const fixed = (row) => found.held[row] !== 0 && reads[found.held[row] - 1].typed;
    const kept = form.uncertain.filter(([, rows]) => !rows.some(fixed));
    now = { reads, entered, found, wrong, opens, kept };
    if (!wrong) {
      changed(found.base, new Set(kept.flatMap(([, rows]) => rows)));
    }
    return now;
  }

  function text(value) {
    return JSON.stringify(value).replace(/\u007f/g, "\\u007f");
  }

  // The experiment file with what is typed: the same keys that `flowreform start` reads.
  function toml(head) {
    const names = now.kept.map(([name]) => text(name));
    const lines = ["", "[system]"];
    [["name", byId("systemname").value.trim()], ["source", byId("systemsource").value.trim()]].forEach(([key, value]) => {
      if (value) {
        lines.push(key + " = " + text(value));
      }
    });
    Object.entries(form.about).forEach(([key, value]) => lines.push(key + " = " + value));
    fields.forEach((field, at) => {
      const one = now.reads[at];
      if (!one.typed && field.range !== null) {
        lines.push(field.name + " = " + field.toml);
      } else if (one.typed) {
        const own = !field.touched && field.given !== null;
        lines.push(field.name + " = " + (own ? field.toml : field.choices.length ? text(field.box.value) : String(one.value)));
      }
    });
    const definitions = now.kept.map(([, , definition]) => definition).filter(Boolean);
    const body = head.replace("uncertainties = []", "uncertainties = [" + names.join(", ") + "]");
    return body + lines.join("\n") + "\n" + (definitions.length ? "\n" + definitions.join("\n") : "");
  }

  function state() {
    return fields.flatMap((field, at) => (field.box.value !== "" ? [["f" + at, field.box.value]] : []));
  }

  function recall(parts) {
    byId("systemname").value = parts.get("name") ?? form.name;
    byId("systemsource").value = parts.get("source") ?? form.source;
    const anything = fields.some((_, at) => parts.has("f" + at));
    fields.forEach((field, at) => {
      const given = field.given === null ? "" : String(Number((field.given * field.unit[1]).toPrecision(12)));
      const word = field.choices.find((pair) => pair[1] === field.given);
      field.box.value = anything ? parts.get("f" + at) ?? "" : field.choices.length ? (word ? word[0] : "") : given;
      field.touched = anything && field.box.value !== given;
    });
  }

  const worst = Math.max(...solved(fields.map((field) => (field.range === null ? NaN : field.range))).base.map(
    (value, row) => Math.abs(value - data.base[row]) / Math.max(Math.abs(value), 1e-300)));
  return { fields, update, toml, state, recall, worst, said: () => (now.wrong ? "A number cannot be taken. " : now.opens.length ? "The start does not add up. " : "All counts agree. "), runs: () => !now.wrong, number };
}
