
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

  // Of a large sweep most rows wait in a script element, as text, until they are asked for.
  const later = byId("later-trials");
  const lines = () => later.textContent.split("\n").filter((line) => line.includes("data-trial"));
  let waiting = later ? null : [];
  const rest = () => { waiting ??= lines().map((html) => [html.match(/data-trial="([^"]*)"/)[1], html]); return waiting; };
  const body = byId("table-trials").tBodies[0];
  const insert = (rows) => {
    if (!rows.length) return;
    body.insertAdjacentHTML("beforeend", rows.map(([, html]) => html).join("\n"));
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
    const others = chosenTrials ? rest().filter(([trial]) => matches(trial)) : [];
    const room = Math.max(0, PAGE - matching);
    if (room && others.length) {
      const now = new Set(others.slice(0, room));
      waiting = waiting.filter((row) => !now.has(row));
      insert([...now].map(([trial, html]) => [trial, html.replace(" hidden>", ">")]));
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
  const marks = all("svg [data-arm], svg [data-arms]").map((element) => ({
    element, ids: (element.dataset.arms ?? element.dataset.arm).split(" "), trial: element.dataset.trial, isOff: false,
  }));
  const armRows = all("#table-arms tbody tr, #table-problems tbody tr");
  const follow = () => {
    for (const mark of marks) {
      const isOn = !chosenArms || (mark.trial && mark.element.querySelector(".dot") ? chosenTrials.has(mark.trial) : mark.ids.some((id) => chosenArms.has(id)));
      if (isOn === mark.isOff) { mark.element.classList.toggle("off", !isOn); mark.isOff = !isOn; }
    }
    for (const row of armRows) row.hidden = Boolean(chosenArms) && !chosenArms.has(row.dataset.arm);
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
    all("button.arm[data-arm]").forEach((b) => b.setAttribute("aria-pressed", String(text === conditionOf(b.dataset.arm))));
    document.dispatchEvent(new Event("selection"));
  };
  const select = (text) => {
    remember("where", text.trim());
    if (document.activeElement === where) where.value === text || (where.value = text);
    show();
  };

  // What a click on an arm asks for: its place on the axes, or its label.
  const conditionOf = (id) => {
    const place = data.places[id] ?? {};
    const words = data.axes.map((axis) => `${axis}=${place[axis]}`);
    const isPlain = data.axes.length > 0 && words.every((word) => /^[^\s"']+$/.test(word)) && data.axes.every((axis) => place[axis] !== undefined);
    const isOwn = isPlain && [...arms.keys()].filter((other) => data.axes.every((axis) => data.places[other]?.[axis] === place[axis])).length === 1;
    return isOwn ? words.join(" ") : `"label=${arms.get(id).label}"`;
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
    if (target && arms.has(target.dataset.arm)) selectArm(target.dataset.arm);
  });
  window.addEventListener("beforeprint", () => { wholeTable = true; show(); complete(document); all("details").forEach((d) => { d.open = true; }); });

  // Brushes of the parallel coordinates.
  for (const area of all("svg .brush")) {
    const svg = area.ownerSVGElement;
    const { column, low, high, log, values } = area.dataset;
    let from = null;
    const share = (event) => {
      const box = area.getBoundingClientRect();
      return Math.min(1, Math.max(0, (box.bottom - event.clientY) / box.height));
    };
    const draw = (a, b) => {
      const at = (s) => Number(area.getAttribute("y")) + (1 - s) * Number(area.getAttribute("height"));
      const mark = svg.querySelector(".brushed") ?? svg.appendChild(document.createElementNS(svg.namespaceURI, "rect"));
      mark.setAttribute("class", "brushed");
      for (const [name, value] of Object.entries({ x: Number(area.getAttribute("x")) + 6, y: at(Math.max(a, b)), width: 14, height: Math.abs(at(a) - at(b)) })) mark.setAttribute(name, value);
    };
    const number = (s) => {
      const [a, b] = [Number(low), Number(high)];
      const value = log ? a * (b / a) ** s : a + s * (b - a);
      return Number(value.toPrecision(5));
    };
    const conditions = (a, b) => {
      const [bottom, top] = [Math.min(a, b), Math.max(a, b)];
      if (!values) return [`${column}>=${number(bottom)}`, `${column}<=${number(top)}`];
      const all = values.split(" ");
      const chosen = all.filter((_, i) => { const at = all.length > 1 ? i / (all.length - 1) : 0; return at >= bottom - 0.02 && at <= top + 0.02; });
      return chosen.length ? [`${column}=${chosen.join(",")}`] : [];
    };
    area.addEventListener("pointerdown", (event) => { from = share(event); area.setPointerCapture(event.pointerId); event.preventDefault(); });
    area.addEventListener("pointermove", (event) => { if (from !== null) draw(from, share(event)); });
    area.addEventListener("pointerup", (event) => {
      if (from === null) return;
      const to = share(event);
      const others = split(state.get("where") ?? "").filter((word) => parse(word).column !== column);
      const isDrag = Math.abs(to - from) > 0.01;
      select([...others, ...(isDrag ? conditions(from, to) : [])].join(" "));
      if (!isDrag) svg.querySelector(".brushed")?.remove();
      from = null;
    });
    document.addEventListener("selection", () => { if (!split(state.get("where") ?? "").some((word) => parse(word).column === column) && from === null) svg.querySelector(`.brushed`)?.remove(); });
  }
  window.addEventListener("popstate", () => {
    const now = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
    for (const key of ["where", "at"]) if (now.has(key)) state.set(key, now.get(key)); else state.delete(key);
    where.value = state.get("where") ?? "";
    show();
    if (state.get("at")) go(state.get("at"));
  });
  show();
  restore();
})();
