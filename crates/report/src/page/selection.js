
  // Pages of receptive fields and of evaluations have no trials.
  if (!byId("where")) return restore();

  // One selection for the page, as the conditions of `table --where`: every one must hold, and a
  // word without an operator must be in the trial's row.
  const OPERATORS = ["!=", "<=", ">=", "==", "=", "<", ">", "~"];
  const split = (text) => text.match(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g) ?? [];
  const unquoted = (text) => text.replace(/^(["'])(.*)\1$/, "$2");
  const parse = (quotedWord) => {
    const word = unquoted(quotedWord);
    const places = OPERATORS.map((op) => [word.indexOf(op), op]).filter(([at]) => at > 0);
    if (!places.length) return { word: word.toLowerCase() };
    const [at, op] = places.reduce((a, b) => (b[0] < a[0] ? b : a));
    const given = unquoted(word.slice(at + op.length));
    const column = unquoted(word.slice(0, at)).replaceAll("/", "_");
    return { column, op: op === "==" ? "=" : op, values: given.includes(",") ? [...given.split(","), given] : [given] };
  };
  const asNumber = (value) => (value === null || value === "" || Number.isNaN(Number(value)) ? null : Number(value));
  const compares = (a, b) => {
    const [x, y] = [asNumber(a), asNumber(b)];
    return x !== null && y !== null ? x - y : String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
  };
  const meets = (value, { op, values }) => {
    const equal = (wanted) => (value ?? "") === wanted || (value !== null && value !== undefined && compares(value, wanted) === 0);
    if (op === "=") return values.some(equal);
    if (op === "!=") return !values.some(equal);
    if (op === "~") return values.some((v) => String(value ?? "").toLowerCase().includes(v.toLowerCase()));
    if (value === null || value === undefined || value === "") return false;
    const holds = { "<": (c) => c < 0, "<=": (c) => c <= 0, ">": (c) => c > 0, ">=": (c) => c >= 0 }[op];
    return values.some((v) => holds(compares(value, v)));
  };

  // Trials with the columns of the table, of their arm, and their axes.
  const columnAt = new Map(data.trial_columns.map((name, i) => [name, i]));
  const arms = new Map(data.summary.arms.map((arm) => [arm.arm, arm]));
  const knownColumns = new Set([...data.axes, ...data.trial_columns, ...Object.keys(data.summary.arms[0] ?? {})]);
  const reader = (column) => {
    if (data.axes.includes(column)) return (row, arm) => data.places[arm.arm][column];
    if (columnAt.has(column)) return (row) => row[columnAt.get(column)];
    return (row, arm) => arm[column];
  };
  const rowText = (row, arm) => [arm.label, ...row].join(" ").toLowerCase();
  const where = byId("where"), chip = byId("chip"), shownText = byId("shown"), command = byId("copy-command");
  const more = byId("more");
  let chosenTrials = null, chosenArms = null, wholeTable = false;
  const choose = () => {
    const conditions = split(state.get("where") ?? "").map(parse);
    where.setAttribute("aria-invalid", "false");
    const unknown = conditions.filter((c) => c.column && !knownColumns.has(c.column));
    if (unknown.length) where.setAttribute("aria-invalid", "true");
    const usable = conditions.filter((c) => !unknown.includes(c));
    if (!usable.length) { chosenTrials = chosenArms = null; return unknown; }
    const readers = usable.map((c) => (c.column ? reader(c.column) : null));
    chosenTrials = new Set();
    chosenArms = new Set();
    const [idAt, armAt] = [columnAt.get("id"), columnAt.get("arm")];
    for (const row of data.trial_rows) {
      const arm = arms.get(row[armAt]);
      const holds = usable.every((c, i) => (c.word !== undefined ? rowText(row, arm).includes(c.word) : meets(readers[i](row, arm), c)));
      if (holds) { chosenTrials.add(row[idAt]); chosenArms.add(row[armAt]); }
    }
    return unknown;
  };

  // Of a large sweep most rows wait as data until they are asked for.
  const later = byId("later-trials");
  let waiting = later ? null : [];
  const rest = () => { waiting ??= laterRows("trials"); return waiting; };
  const body = byId("table-trials").tBodies[0];
  const insert = (rows) => {
    if (!rows.length) return;
    body.insertAdjacentHTML("beforeend", rows.map((row) => row.html()).join("\n"));
    linked = null;
  };
  function fetchRows() { insert(rest()); waiting = []; }
  function showRows() {
    if (wholeTable) fetchRows();
    const matches = (trial) => !chosenTrials || chosenTrials.has(trial);
    const known = [...body.rows];
    let matching = 0;
    const wanted = known.map((row) => {
      const ok = matches(row.dataset.trial);
      matching += ok;
      return ok && (wholeTable || matching <= PAGE);
    });
    known.forEach((row, i) => { if (row.hidden === wanted[i]) row.hidden = !wanted[i]; });
    // Without a selection every row matches, and the rest stays text.
    const others = chosenTrials ? rest().filter((row) => matches(row.trial)) : [];
    const room = Math.max(0, PAGE - matching);
    if (room && others.length) {
      const now = new Set(others.slice(0, room));
      waiting = waiting.filter((row) => !now.has(row));
      insert([...now]);
    }
    matching += chosenTrials ? others.length : waiting ? waiting.length : Number(later.dataset.rows);
    const total = data.trial_rows.length;
    more.hidden = matching <= PAGE || wholeTable;
    more.textContent = `Show all ${matching}`;
    return [matching, total];
  }

  // Rows of the figures' tables follow by what their cells say of an arm.
  const axisOf = new Set(data.axes);
  const entriesOf = (table) => {
    const heads = [...table.tHead.rows[0].cells].map((th) => th.textContent.trim());
    const labelAt = heads.findIndex((name) => name === "arm" || name === "network");
    const axes = heads.map((name, i) => [name, i]).filter(([name]) => axisOf.has(name));
    const rest = heads.indexOf("other axes");
    if (labelAt < 0 && !axes.length && rest < 0) return [];
    return [...table.tBodies[0].rows].map((row) => {
      const text = (i) => row.cells[i]?.textContent.trim() ?? "";
      const pairs = axes.map(([name, i]) => [name, text(i)]);
      if (rest >= 0) pairs.push(...text(rest).split(" ").filter((w) => w.includes("=")).map((w) => [w.slice(0, w.indexOf("=")), w.slice(w.indexOf("=") + 1)]));
      return { row, label: labelAt >= 0 ? text(labelAt) : null, pairs };
    });
  };
  const rowsOfText = new Map(all("table.text").map((table) => [table, entriesOf(table)]));
  const followText = (entries) => {
    for (const entry of entries) entry.row.hidden = Boolean(chosenArms) && !isOfChosen(entry);
  };
  document.addEventListener("rows", (event) => {
    rowsOfText.set(event.detail, entriesOf(event.detail));
    followText(rowsOfText.get(event.detail));
  });
  const labelToArm = new Map(data.summary.arms.map((arm) => [arm.label, arm.arm]));
  const isOfChosen = ({ label, pairs }) => {
    if (label !== null && labelToArm.has(label)) return chosenArms.has(labelToArm.get(label));
    if (label !== null && !pairs.length) return true;
    return [...chosenArms].some((arm) => pairs.every(([axis, value]) => (data.places[arm][axis] ?? value) === value));
  };

  // Marks by arm. A line through several arms stays while one of them is chosen.
  const marksOf = (root) => all("svg [data-arm], svg [data-arms]", root).map((element) => ({
    element, ids: (element.dataset.arms ?? element.dataset.arm).split(" "), trial: element.dataset.trial, isOff: false,
  }));
  const marks = marksOf(document);
  const problems = all("#table-problems tbody tr");
  // Of hundreds of arms the first that match are shown, until all are asked for.
  const moreArms = byId("more-arms");
  const isCapped = Boolean(byId("later-arms"));
  let wholeArms = !isCapped;
  function showArms() {
    if (chosenArms || (wholeArms && isCapped)) completeArms();
    let matching = 0;
    for (const row of byId("table-arms").tBodies[0].rows) {
      const isOn = !chosenArms || chosenArms.has(row.dataset.arm);
      matching += isOn;
      const isHidden = !isOn || (!wholeArms && matching > PAGE);
      if (row.hidden !== isHidden) row.hidden = isHidden;
    }
    if (!chosenArms) matching = arms.size;
    moreArms.hidden = wholeArms || matching <= PAGE;
    moreArms.textContent = `Show all ${matching}`;
  }
  moreArms.addEventListener("click", () => { wholeArms = true; showArms(); });
  document.addEventListener("arms", showArms);
  const followMarks = (some) => {
    for (const mark of some) {
      const isOn = !chosenArms || (mark.trial && mark.element.querySelector(".dot") ? chosenTrials.has(mark.trial) : mark.ids.some((id) => chosenArms.has(id)));
      if (isOn === mark.isOff) { mark.element.classList.toggle("off", !isOn); mark.isOff = !isOn; }
    }
  };
  document.addEventListener("plot", (event) => {
    const drawn = marksOf(event.detail);
    marks.push(...drawn);
    followMarks(drawn);
    all(".brush", event.detail).forEach(brushed);
  });
  const follow = () => {
    followMarks(marks);
    showArms();
    for (const row of problems) row.hidden = Boolean(chosenArms) && !chosenArms.has(row.dataset.arm);
    for (const entries of rowsOfText.values()) followText(entries);
  };
  const quoted = (word) => (/[^\w=.,\-]/.test(word) ? `'${word.replaceAll("'", "'\\''")}'` : word);
  const asCommand = () => {
    const words = split(state.get("where") ?? "").map(unquoted).filter((word) => parse(word).column);
    const isOfArms = words.some((word) => !columnAt.has(parse(word).column) && !data.axes.includes(parse(word).column));
    return `just table ${quoted(data.summary.name)}${isOfArms ? " --arms" : ""} --where ${words.map(quoted).join(" ")}`;
  };
  const show = () => {
    const unknown = choose();
    follow();
    const [matching, total] = showRows();
    const text = state.get("where") ?? "";
    if (where.value !== text && document.activeElement !== where) where.value = text;
    chip.hidden = command.hidden = !text;
    chip.textContent = `${text} ✕`;
    chip.setAttribute("aria-label", `Clear the selection ${text}`);
    shownText.textContent = unknown.length ? `there is no column ${unknown[0].column}`
      : text ? `${chosenArms.size} of ${arms.size} arms, ${matching} of ${total} trials` : "";
    all("[data-condition]").forEach((b) => b.setAttribute("aria-pressed", String(isPressed(b.dataset.condition))));
    all("button.arm[data-arm]").forEach((b) => {
      const pressed = String(text !== "" && text === conditionOf(b.dataset.arm));
      if (b.getAttribute("aria-pressed") !== pressed) b.setAttribute("aria-pressed", pressed);
    });
    document.dispatchEvent(new Event("selection"));
  };
  const select = (text) => {
    remember("where", text.trim());
    if (document.activeElement === where) where.value === text || (where.value = text);
    show();
  };

  // What a click on an arm asks for: its place on the axes, or its label.
  const wordsOf = (id) => data.axes.map((axis) => `${axis}=${data.places[id]?.[axis]}`).join(" ");
  const armsOfWords = new Map();
  for (const id of arms.keys()) armsOfWords.set(wordsOf(id), (armsOfWords.get(wordsOf(id)) ?? 0) + 1);
  const conditionOf = (id) => {
    const place = data.places[id] ?? {};
    const isPlain = data.axes.length > 0 && data.axes.every((axis) => /^[^\s"']+$/.test(place[axis] ?? ""));
    const words = wordsOf(id);
    return isPlain && armsOfWords.get(words) === 1 ? words : `"label=${arms.get(id).label}"`;
  };
  // A value of the legend joins the values of its axis, or leaves them.
  const withValue = (condition) => {
    const [axis, value] = [condition.slice(0, condition.indexOf("=")), condition.slice(condition.indexOf("=") + 1)];
    const words = split(state.get("where") ?? "");
    const at = words.findIndex((word) => word.startsWith(axis + "="));
    if (at < 0) return [...words, condition].join(" ");
    const values = words[at].slice(axis.length + 1).split(",");
    const left = values.includes(value) ? values.filter((v) => v !== value) : [...values, value];
    if (left.length) words[at] = `${axis}=${left.join(",")}`;
    else words.splice(at, 1);
    return words.join(" ");
  };
  const isPressed = (condition) => {
    const at = condition.indexOf("=");
    return split(state.get("where") ?? "").some((word) => word.startsWith(condition.slice(0, at + 1)) && word.slice(at + 1).split(",").includes(condition.slice(at + 1)));
  };
  selectArm = (id) => {
    const condition = conditionOf(id);
    select(state.get("where") === condition ? "" : condition);
  };
  where.addEventListener("input", () => select(where.value));
  where.addEventListener("keydown", (event) => { if (event.key === "Escape") { where.value = ""; select(""); } });
  chip.addEventListener("click", () => { where.value = ""; select(""); where.focus(); });
  command.addEventListener("click", () => copy(asCommand(), command));
  more.addEventListener("click", () => { wholeTable = true; show(); });
  document.addEventListener("click", (event) => {
    const value = event.target.closest?.("[data-condition]");
    if (value) return select(withValue(value.dataset.condition));
    const target = event.target.closest?.("svg [data-arm], button.arm[data-arm]");
    // The first touch of a mark shows what it is, the second selects its arm.
    if (target && arms.has(target.dataset.arm) && !isFirstTouch) selectArm(target.dataset.arm);
  });
  window.addEventListener("beforeprint", () => { wholeTable = wholeArms = true; show(); drawPlots(); complete(document); all("details").forEach((d) => { d.open = true; }); });

  // Brushes of the parallel coordinates: a range of a column, by the pointer or by the keyboard.
  function brushed(area) {
    const svg = area.ownerSVGElement;
    const { column, low, high, log } = area.dataset;
    const choices = area.dataset.values ? JSON.parse(area.dataset.values) : null;
    const whole = { bottom: 0, top: 1 };
    let range = { ...whole }, from = null, drawn = null;
    const ofColumn = () => split(state.get("where") ?? "").filter((word) => parse(word).column === column);
    const number = (share) => {
      const [a, b] = [Number(low), Number(high)];
      return Number((log ? a * (b / a) ** share : a + share * (b - a)).toPrecision(5));
    };
    const chosen = () => choices.filter((_, i) => {
      const at = choices.length > 1 ? i / (choices.length - 1) : 0;
      return at >= range.bottom - 0.02 && at <= range.top + 0.02;
    });
    const conditions = () => {
      if (choices) return chosen().length && chosen().length < choices.length ? [`${column}=${chosen().join(",")}`] : [];
      return [...(range.bottom > 0 ? [`${column}>=${number(range.bottom)}`] : []), ...(range.top < 1 ? [`${column}<=${number(range.top)}`] : [])];
    };
    const draw = () => {
      drawn?.remove();
      drawn = null;
      if (range.bottom > 0 || range.top < 1) {
        const [x, y, height] = ["x", "y", "height"].map((name) => Number(area.getAttribute(name)));
        drawn = svg.appendChild(document.createElementNS(svg.namespaceURI, "rect"));
        const place = { class: "brushed", x: x + 6, y: y + (1 - range.top) * height, width: 14, height: Math.max(2, (range.top - range.bottom) * height) };
        for (const [name, value] of Object.entries(place)) drawn.setAttribute(name, value);
      }
      const ends = choices ? [chosen()[0] ?? "none", chosen().at(-1) ?? "none"] : [number(range.bottom), number(range.top)];
      area.setAttribute("aria-valuenow", Math.round(100 * range.bottom));
      area.setAttribute("aria-valuetext", `${ends[0]} to ${ends[1]}`);
    };
    const apply = () => {
      const others = split(state.get("where") ?? "").filter((word) => parse(word).column !== column);
      select([...others, ...conditions()].join(" "));
    };
    const share = (event) => {
      const box = area.getBoundingClientRect();
      return Math.min(1, Math.max(0, (box.bottom - event.clientY) / box.height));
    };
    const dragged = (to) => ({ bottom: Math.min(from, to), top: Math.max(from, to) });
    area.addEventListener("pointerdown", (event) => { from = share(event); area.setPointerCapture(event.pointerId); event.preventDefault(); });
    area.addEventListener("pointermove", (event) => { if (from !== null) { range = dragged(share(event)); draw(); } });
    area.addEventListener("pointerup", (event) => {
      if (from === null) return;
      range = Math.abs(share(event) - from) > 0.01 ? dragged(share(event)) : { ...whole };
      from = null;
      draw();
      apply();
    });
    // Arrows move the lower end, with Shift the upper one; Escape takes the whole column again.
    area.addEventListener("keydown", (event) => {
      const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (!by && event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      const step = choices ? 1 / Math.max(1, choices.length - 1) : 0.05;
      const moved = (end) => Math.min(1, Math.max(0, Math.round((end + (by ?? 0) * step) / step) * step));
      if (!by) range = { ...whole };
      else if (event.shiftKey) range.top = Math.max(range.bottom, moved(range.top));
      else range.bottom = Math.min(range.top, moved(range.bottom));
      draw();
      apply();
    });
    svg.setAttribute("role", "group");
    const described = { tabindex: 0, role: "slider", "aria-orientation": "vertical", "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": `Range of ${column}` };
    for (const [name, value] of Object.entries(described)) area.setAttribute(name, value);
    draw();
    document.addEventListener("selection", () => { if (from === null && !ofColumn().length) { range = { ...whole }; draw(); } });
  }
  all("svg .brush").forEach(brushed);
  window.addEventListener("popstate", () => {
    const now = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
    for (const key of ["where", "at"]) if (now.has(key)) state.set(key, now.get(key)); else state.delete(key);
    where.value = state.get("where") ?? "";
    show();
    if (state.get("at")) go(state.get("at"));
  });
  show();
  restore();
  // What waits as data is read once the page is there, so that the first selection is not slower.
  const idle = window.requestIdleCallback ?? ((task) => setTimeout(task, 100));
  window.addEventListener("load", () => idle(() => { completeArms(); rest(); }));
})();
