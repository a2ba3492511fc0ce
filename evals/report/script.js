// The drill-down. Transcripts are hostile: everything is set as text, nothing as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const make = (tag, css, text) => {
    const node = document.createElement(tag);
    if (css) node.className = css;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const key = (task, q) => `q/${task.name}/${q.sample}/${q.id}`;

  $("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  for (const task of data.tasks) $("task").append(new Option(task.name, task.name));
  const task = () => data.tasks.find((t) => t.name === $("task").value) || data.tasks[0];
  let chosen = null;

  // A question is contested where some arms found the evidence and others did not.
  const contested = (q) => {
    const hits = q.arms.map((a) => a.recalled.some((r) => r[3].some((ref) => q.evidence.includes(ref))));
    return q.evidence.length > 0 && hits.includes(true) && hits.includes(false);
  };

  function list() {
    const words = $("words").value.toLowerCase();
    const category = $("category").value;
    const only = $("contested").checked;
    const rows = task().questions.filter((q) =>
      (!category || q.category === category) && (!only || contested(q)) &&
      (!words || (data.texts[q.question] + " " + q.id).toLowerCase().includes(words)));
    $("list").replaceChildren(...rows.map((q) => {
      const button = make("button");
      button.append(make("span", "", data.texts[q.question]), make("small", "", [q.category, q.id].filter(Boolean).join(" · ")));
      button.setAttribute("aria-current", String(q === chosen));
      button.addEventListener("click", () => { location.hash = encodeURI(key(task(), q)); });
      return button;
    }));
    $("count").textContent = `${rows.length} of ${task().questions.length} shown; ${task().asked} were asked`;
  }

  function categories() {
    const names = [...new Set(task().questions.map((q) => q.category).filter(Boolean))].sort();
    $("category").replaceChildren(new Option("every category", ""), ...names.map((n) => new Option(n, n)));
  }

  function turn(q, ref, css) {
    const [role, at, session, text] = q.sources[ref];
    const node = make("div", "turn " + css);
    node.id = "turn-" + ref;
    node.append(make("small", "", `${ref} · ${role} · ${at} · session ${session}`), data.texts[text]);
    return node;
  }

  function show(q) {
    chosen = q;
    const box = $("answer");
    box.replaceChildren(make("p", "asked", data.texts[q.question]));
    box.append(make("p", "soft", [`asked ${q.now}`, q.category, `sample ${q.sample}`].filter(Boolean).join(" · ")));
    for (const [name, value] of Object.entries(q.expect)) box.append(make("p", "soft", `${name}: ${value}`));
    if (q.evidence.length) box.append(make("h4", "", "Where it was said"));
    for (const ref of q.evidence) box.append(turn(q, ref, "gold"));
    if (q.stale.length) box.append(make("h4", "", "What no longer holds"));
    for (const ref of q.stale) box.append(turn(q, ref, "stale"));
    for (const given of q.arms) {
      const part = make("section", "arm");
      const title = make("h4", "", given.arm);
      const scores = Object.entries(given.scores).map(([n, v]) => `${n} ${v}`).join("  ");
      title.append(make("small", "", scores || "unscored"));
      part.append(title);
      if (given.status !== "ok") part.append(make("p", "warn", `${given.status}: ${given.reason}`));
      if (given.injected) part.append(make("p", "soft", `${given.injected.toLocaleString("en")} characters were injected before the question`));
      const ol = make("ol");
      for (const [text, modality, current, refs, confidence] of given.recalled) {
        const li = make("li");
        if (modality) li.append(make("span", "tag " + modality, modality + (confidence ? " " + confidence : "")));
        if (!current) li.append(make("span", "tag past", "no longer current"));
        li.append(data.texts[text]);
        for (const ref of refs) {
          const kind = q.evidence.includes(ref) ? "hit" : q.stale.includes(ref) ? "old" : "miss";
          const button = make("button", "ref " + kind, ref);
          button.title = "show the source turn";
          button.addEventListener("click", () => {
            const open = li.querySelector(".turn");
            if (open) { open.remove(); if (open.id === "turn-" + ref) return; }
            if (q.sources[ref]) li.append(turn(q, ref, kind === "hit" ? "gold" : kind === "old" ? "stale" : ""));
          });
          li.append(button);
        }
        ol.append(li);
      }
      part.append(given.recalled.length ? ol : make("p", "soft", given.status === "ok" ? "Nothing came back." : ""));
      const more = given.count - given.recalled.length;
      if (more > 0) part.append(make("p", "soft", `and ${more.toLocaleString("en")} more`));
      box.append(part);
    }
    list();
  }

  function open() {
    const wanted = decodeURI(location.hash.slice(1));
    if (!wanted.startsWith("q/")) return false;
    for (const t of data.tasks) for (const q of t.questions) if (key(t, q) === wanted) {
      if ($("task").value !== t.name) { $("task").value = t.name; categories(); }
      show(q);
      return true;
    }
    return false;
  }

  $("task").addEventListener("change", () => { categories(); if (task().questions.length) show(task().questions[0]); else list(); });
  for (const id of ["words", "category", "contested"]) $(id).addEventListener("input", list);
  addEventListener("hashchange", () => { if (open()) $("drill").scrollIntoView(); });
  categories();
  if (!open() && data.tasks.length && task().questions.length) show(task().questions[0]);
})();
