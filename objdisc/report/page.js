// The page: shows what a Names object holds, and tells it what is clicked and typed. Texts of data are only ever set as
// textContent or values, never as markup.

(() => {
  const byId = (id) => document.getElementById(id);
  const facts = JSON.parse(byId("facts").textContent);
  const names = new Names(facts);
  const memory = new Memory(facts.run, facts.former_runs);
  const cards = [...document.querySelectorAll(".card")];
  const patches = [...document.querySelectorAll(".patch")].map((button) => ({
    button,
    patch: Number(button.dataset.patch),
    label: button.getAttribute("aria-label"),
    tag: button.querySelector(".tag"),
  }));
  const nameSpans = facts.colors.map(() => []);
  document.querySelectorAll("[data-name-of]").forEach((span) => nameSpans[Number(span.dataset.nameOf)].push(span));
  const scenes = [...document.querySelectorAll(".scene")];
  const sceneNames = facts.scene.map((_, cluster) => [...document.querySelectorAll(`[data-scene-name-of="${cluster}"]`)]);
  const shown = []; // per cluster, what its elements show: pages of 300 clusters change only what has changed
  const dialog = byId("dialog");
  const field = (card, name) => card.querySelector(`[data-field=${name}]`);
  const clusterOf = (card) => Number(card.dataset.cluster);
  const ownCluster = (patch) => facts.patches[patch]?.cluster;
  let opened = null; // the patch button whose dialog is open
  let unsaved = false;
  let savedFile = "";

  // ---- words

  function nameOf(cluster) {
    return tidy(names.clusters[names.root(cluster)].name);
  }

  function titleOf(cluster) {
    const name = nameOf(cluster);
    return name ? `${cluster} ${name}` : `cluster ${cluster}`;
  }

  function say(text) {
    byId("status").textContent = text;
  }

  // ---- showing

  function show() {
    names.clusters.forEach((own, cluster) => {
      const root = names.root(cluster);
      const { name, color } = names.clusters[root];
      const state = JSON.stringify([own, root, name, color, names.isRejected(cluster)]);
      if (state === shown[cluster]) return;
      shown[cluster] = state;
      showCluster(cluster, color);
    });
    patches.forEach(showPatch);
    scenes.forEach(showScene);
    showResult();
    byId("undo").disabled = names.done.length === 0;
    byId("redo").disabled = names.undone.length === 0;
    byId("undo").title = names.done.length ? `Undo: ${names.done.at(-1).label}` : "Nothing to undo";
    byId("redo").title = names.undone.length ? `Redo: ${names.undone.at(-1).label}` : "Nothing to redo";
    byId("forgetful").hidden = memory.available;
    if (opened) showBelongs(Number(opened.dataset.patch));
  }

  function showCluster(cluster, color) {
    document.documentElement.style.setProperty(`--c${cluster}`, color);
    const name = names.isRejected(cluster) ? "rejected" : nameOf(cluster);
    for (const span of nameSpans[cluster]) span.textContent = name && ` ${name}`;
    showCard(byId(`cluster-${cluster}`), cluster);
  }

  function showCard(card, cluster) {
    const root = names.root(cluster);
    const { merged_into: into, rejected } = names.clusters[cluster];
    const { name, color } = names.clusters[root];
    if (field(card, "name").value !== name) field(card, "name").value = name;
    if (field(card, "color").value !== color) field(card, "color").value = color;
    field(card, "rejected").checked = rejected;
    for (const control of ["name", "color"]) field(card, control).disabled = into !== null;
    field(card, "rejected").disabled = into !== null && !rejected;
    const select = field(card, "merged_into");
    select.disabled = rejected;
    if (document.activeElement !== select || select.value !== String(into ?? "")) {
      fillMerge(card, into === null ? [] : [into]);
    }
    card.classList.toggle("rejected", names.isRejected(cluster));
    const note = into === null ? "" : `part of ${titleOf(root)}`;
    card.querySelector(".note").textContent = names.isRejected(cluster) ? `${note} rejected`.trim() : note;
  }

  function showScene(card) {
    const cluster = Number(card.dataset.scene);
    const { name } = names.scene[cluster];
    if (field(card, "name").value !== name) field(card, "name").value = name;
    for (const span of sceneNames[cluster]) span.textContent = tidy(name) && ` ${tidy(name)}`;
  }

  function fillMerge(card, clusters) {
    const select = field(card, "merged_into");
    const into = names.clusters[clusterOf(card)].merged_into;
    select.replaceChildren(option("", "– keep apart –"), ...clusters.map((other) => option(other, titleOf(other))));
    select.value = into ?? "";
  }

  // All clusters that this one can be merged into, the nearest first; made when it is needed: K lists of K entries
  // would slow down the page.
  function offerMerges(card) {
    const cluster = clusterOf(card);
    const nearest = Number(card.dataset.nearest || -1);
    const others = facts.colors.map((_, other) => other).filter((other) => names.mergeable(cluster, other));
    others.sort((a, b) => (b === nearest) - (a === nearest) || a - b);
    fillMerge(card, others);
  }

  function option(value, text) {
    const element = document.createElement("option");
    element.value = value;
    element.textContent = text;
    return element;
  }

  function showPatch({ button, patch, label, tag }) {
    const target = names.moved.get(patch);
    const text = target === undefined ? "" : target === REJECTED ? "rejected" : `→ ${titleOf(target)}`;
    if (tag.textContent === text) return;
    tag.textContent = text;
    tag.style.borderColor = target >= 0 ? `var(--c${target})` : "";
    button.classList.toggle("moved", target !== undefined);
    button.setAttribute("aria-label", text ? `${label}, ${text}` : label);
  }

  // The categories that the export will make: merged clusters, and clusters of the same name, are one.
  function showResult() {
    const sizes = [...facts.sizes];
    let [dropped, elsewhere] = [0, 0];
    for (const [patch, target] of names.moved) {
      const own = ownCluster(patch);
      if (own === undefined) elsewhere += 1;
      else {
        sizes[own] -= 1;
        if (target === REJECTED) dropped += 1;
        else sizes[target] += 1;
      }
    }
    const categories = new Map();
    names.clusters.forEach((_, cluster) => {
      if (names.isRejected(cluster)) {
        dropped += sizes[cluster];
        return;
      }
      const root = names.root(cluster);
      const key = nameOf(cluster) || root;
      const found = categories.get(key) ?? { title: nameOf(cluster) || `cluster ${root}`, color: root, clusters: [], size: 0 };
      found.clusters.push(cluster);
      found.size += sizes[cluster];
      categories.set(key, found);
    });
    const count = (n, noun, plural) => `${n} ${n === 1 ? noun : plural}`;
    byId("result").textContent =
      `${count(categories.size, "category", "categories")}, ${count(dropped, "patch", "patches")} rejected`;
    if (byId("outcome").open) listCategories([...categories.values()], count);
    byId("elsewhere").hidden = elsewhere === 0;
    byId("elsewhere").textContent =
      `${count(elsewhere, "moved patch is", "moved patches are")} not on this page and not counted here.`;
  }

  function listCategories(categories, count) {
    byId("categories").replaceChildren(
      ...categories.map(({ title, color, clusters, size }) => {
        const [item, swatch] = [document.createElement("li"), document.createElement("span")];
        swatch.className = "swatch";
        swatch.style.background = `var(--c${color})`;
        const of = clusters.length > 1 ? ` (clusters ${clusters.join(", ")})` : "";
        item.append(swatch, ` ${title}: ${count(size, "patch", "patches")}${of}`);
        return item;
      }),
    );
  }

  // ---- changing

  function change(label, changes, key = null) {
    names.apply(label, changes, key);
    changed(`${label}.`);
  }

  function changed(message) {
    unsaved = true;
    memory.write(names.toText());
    show();
    say(message);
  }

  function step(back) {
    const label = back ? names.undo() : names.redo();
    if (label) changed(`${back ? "Undone" : "Done again"}: ${label}.`);
    else say(back ? "Nothing to undo." : "Nothing to do again.");
  }

  function edit(card, input) {
    const cluster = clusterOf(card);
    const what = input.dataset.field;
    const key = `${what} ${cluster}`;
    if (what === "name") change(`Name of cluster ${cluster}`, [names.set(cluster, "name", input.value)], key);
    if (what === "color") change(`Colour of cluster ${cluster}`, [names.set(cluster, "color", input.value)], key);
    if (what === "rejected") {
      const label = input.checked ? `Cluster ${cluster} rejected` : `Cluster ${cluster} taken back`;
      change(label, [names.set(cluster, "rejected", input.checked)]);
    }
    if (what === "merged_into") {
      const into = input.value === "" ? null : Number(input.value);
      const label = into === null ? `Cluster ${cluster} kept apart` : `Cluster ${cluster} merged into ${titleOf(into)}`;
      change(label, [names.set(cluster, "merged_into", into)]);
    }
  }

  function editScene(card, input) {
    const cluster = Number(card.dataset.scene);
    change(`Name of scene ${cluster}`, [names.setScene(cluster, "name", input.value)], `scene ${cluster}`);
  }

  function movePatch(patch, target) {
    const to = target === ownCluster(patch) ? null : target;
    const where = to === null ? "back in its cluster" : to === REJECTED ? "rejected" : `moved to ${titleOf(to)}`;
    change(`Patch ${patch} ${where}`, [names.move(patch, to)]);
  }

  function toggleReject(patch) {
    movePatch(patch, names.moved.get(patch) === REJECTED ? ownCluster(patch) : REJECTED);
  }

  function saveFile() {
    const text = `${JSON.stringify(names.toFile(), null, 1)}\n`;
    // No timer: how long a busy machine takes to fetch it, nobody knows; it is small, and goes with the page
    URL.revokeObjectURL(savedFile);
    savedFile = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    const link = document.createElement("a");
    link.href = savedFile;
    link.download = "names.json";
    link.click();
    unsaved = false;
    say("Saved as names.json, where your browser puts downloads. objdisc export takes it with --names.");
  }

  async function loadFile(file) {
    try {
      names.fromFile(await file.text(), `${file.name} loaded`);
      changed(`${file.name} loaded.`);
    } catch (error) {
      say(`${file.name} was not loaded: ${error.message}.`);
    }
  }

  // ---- one patch in its frame

  function openPatch(button) {
    opened = button;
    const patch = Number(button.dataset.patch);
    const known = facts.patches[patch];
    const [height, width] = known.frame;
    const [x, y, w, h] = known.box;
    byId("patch-title").textContent = `Patch ${patch}`;
    byId("patch-image").textContent = known.path;
    byId("patch-box").textContent = `x ${x}, y ${y}, ${w} × ${h} pixels of ${width} × ${height}`;
    byId("patch-confidence").textContent = known.confidence.toFixed(3);
    byId("patch-alone").src = button.querySelector("img").src;
    drawStage(known, button.querySelector("img").src);
    byId("frame-note").textContent =
      known.picture === null
        ? "This frame is not in the page, which keeps only as many as fit: the patch is shown at its place. The image file is named below."
        : "Colours in the frame are those of the run; the outline has the cluster's colour of now.";
    const select = byId("belongs");
    const entries = facts.colors.map((_, cluster) => option(cluster, titleOf(cluster)));
    select.replaceChildren(option(REJECTED, "none: reject this patch"), ...entries);
    showBelongs(patch);
    if (!dialog.open) dialog.showModal();
  }

  function showBelongs(patch) {
    const cluster = names.moved.get(patch) ?? ownCluster(patch);
    byId("belongs").value = cluster;
    byId("patch-own").textContent = `The run says: ${titleOf(ownCluster(patch))}.`;
    byId("stage").style.setProperty("--outline", cluster === REJECTED ? "#888888" : `var(--c${cluster})`);
  }

  function drawStage(known, thumbnail) {
    const [height, width] = known.frame;
    const [left, top, side] = known.window;
    const stage = byId("stage");
    stage.setAttribute("viewBox", `0 0 ${width} ${height}`);
    stage.setAttribute("aria-label", `${known.sample} with the patch's region outlined`);
    const picture =
      known.picture === null
        ? svg("image", { href: thumbnail, x: left, y: top, width: side, height: side })
        : svg("image", { href: byId(`frame-${known.picture}`).src, width, height, preserveAspectRatio: "none" });
    const lines = known.outline.flatMap((points) => [
      svg("polygon", { class: "halo", points: points.join(" ") }),
      svg("polygon", { class: "line", points: points.join(" ") }),
    ]);
    stage.replaceChildren(picture, ...lines);
  }

  function svg(tag, attributes) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    return element;
  }

  function turn(by) {
    const siblings = [...opened.closest(".card").querySelectorAll(".patch")];
    const next = siblings[(siblings.indexOf(opened) + by + siblings.length) % siblings.length];
    openPatch(next);
  }

  // ---- keys

  function inField(element) {
    return element.matches("input:not([type=checkbox]), select, textarea");
  }

  function walk(button, key) {
    const wall = [...button.closest(".wall").querySelectorAll(".patch")];
    const place = wall.indexOf(button);
    const to = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: wall.length - 1 }[key];
    const next = wall[Math.max(0, Math.min(wall.length - 1, to))];
    focusPatch(next);
  }

  function focusPatch(button) {
    for (const other of button.closest(".wall").querySelectorAll(".patch")) other.tabIndex = -1;
    button.tabIndex = 0;
    button.focus();
  }

  function keyInDialog(event) {
    const acts = {
      ArrowLeft: () => turn(-1),
      ArrowRight: () => turn(1),
      x: () => toggleReject(Number(opened.dataset.patch)),
      m: () => byId("belongs").focus(),
    };
    return acts[event.key];
  }

  function keyOnPage(event) {
    const card = event.target.closest(".card");
    const button = event.target.closest(".patch");
    if (button && /^(Arrow(Left|Right)|Home|End)$/.test(event.key)) return () => walk(button, event.key);
    if (button && event.key === "Delete") return () => toggleReject(Number(button.dataset.patch));
    if (!card) return undefined;
    const to = (by) => cards[cards.indexOf(card) + by]?.focus();
    const acts = {
      j: () => to(1),
      k: () => to(-1),
      n: () => field(card, "name").focus(),
      c: () => field(card, "color").focus(),
      m: () => field(card, "merged_into").focus(),
      x: () => field(card, "rejected").click(),
    };
    return acts[event.key];
  }

  function onKey(event) {
    if (inField(event.target)) {
      if (event.key === "Enter" && event.target.dataset.field === "name") event.target.closest(".card, .scene").focus();
      return;
    }
    const control = event.ctrlKey || event.metaKey;
    let act;
    if (control && !event.altKey) {
      const key = event.key.toLowerCase();
      if (key === "z") act = () => step(!event.shiftKey);
      if (key === "y") act = () => step(false);
    } else if (!event.altKey) {
      act = dialog.open ? keyInDialog(event) : keyOnPage(event);
    }
    if (act) {
      event.preventDefault();
      act();
    }
  }

  // ---- start

  function listen() {
    for (const card of cards) {
      card.addEventListener("input", (event) => edit(card, event.target));
      card.addEventListener("change", () => names.endStep());
      const select = field(card, "merged_into");
      for (const kind of ["focus", "pointerdown"]) select.addEventListener(kind, () => offerMerges(card));
    }
    for (const card of scenes) {
      card.addEventListener("input", (event) => editScene(card, event.target));
      card.addEventListener("change", () => names.endStep());
    }
    for (const { button } of patches) button.addEventListener("click", () => openPatch(button));
    byId("outcome").addEventListener("toggle", showResult);
    byId("undo").addEventListener("click", () => step(true));
    byId("redo").addEventListener("click", () => step(false));
    byId("save").addEventListener("click", saveFile);
    byId("load").addEventListener("click", () => byId("file").click());
    byId("file").addEventListener("change", async (event) => {
      if (event.target.files.length) await loadFile(event.target.files[0]);
      event.target.value = "";
    });
    byId("belongs").addEventListener("input", (event) => movePatch(Number(opened.dataset.patch), Number(event.target.value)));
    byId("previous").addEventListener("click", () => turn(-1));
    byId("next").addEventListener("click", () => turn(1));
    byId("close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => {
      focusPatch(opened);
      opened = null;
    });
    document.addEventListener("keydown", onKey);
    window.addEventListener("storage", (event) => {
      if (event.key === memory.key && event.newValue) restore(event.newValue, "Changed in another tab.");
    });
    window.addEventListener("beforeunload", (event) => {
      if (unsaved && !memory.available) event.preventDefault();
    });
  }

  function restore(text, message) {
    try {
      names.fromText(text);
      say(message);
    } catch (error) {
      say(`What this browser kept of this run cannot be read: ${error.message}.`);
    }
    show();
  }

  document.documentElement.classList.add("js");
  listen();
  const kept = memory.read();
  if (kept) restore(kept, "Gone on from what this browser kept.");
  else show();
})();
