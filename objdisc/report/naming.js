"use strict";
// What a person says about the clusters: names, colours, merges, rejections, moved patches. Undo, names.json in and out,
// and what the browser keeps. Knows nothing of the page; page.js shows it.

const FORMAT = "objdisc-names";
const VERSION = 2;
const REJECTED = -1;
const MAX_STEPS = 1000; // that can be undone; keeps what the browser stores far below its limit of 5 MB

class Names {
  // facts: run (identity), former_runs (what earlier versions called it), num_patches, colors (one "#rrggbb" a cluster),
  // scene (the same of the scene's clusters)
  constructor(facts) {
    this.facts = facts;
    this.clusters = facts.colors.map((color) => ({ name: "", color, merged_into: null, rejected: false }));
    this.scene = facts.scene.map(() => ({ name: "" })); // clusters of the scene
    this.moved = new Map(); // patch -> cluster, or REJECTED
    this.done = [];
    this.undone = [];
  }

  // The cluster that this one is part of after all merges.
  root(cluster) {
    while (this.clusters[cluster].merged_into !== null) cluster = this.clusters[cluster].merged_into;
    return cluster;
  }

  // Whether a cluster, or one that it is merged into, is rejected.
  isRejected(cluster) {
    for (let next = cluster; next !== null; next = this.clusters[next].merged_into) {
      if (this.clusters[next].rejected) return true;
    }
    return false;
  }

  // Whether a cluster can be merged into another: not into itself, nor into one that is already part of it.
  mergeable(cluster, into) {
    return this.root(into) !== cluster;
  }

  set(cluster, field, to) {
    return { cluster, field, from: this.clusters[cluster][field], to };
  }

  setScene(scene, field, to) {
    return { scene, field, from: this.scene[scene][field], to };
  }

  // to: a cluster, REJECTED, or null for the cluster that the run gave the patch.
  move(patch, to) {
    return { patch, from: this.moved.has(patch) ? this.moved.get(patch) : null, to };
  }

  // Make changes as one step. A step with the key of the step before continues it: a word typed is one step.
  apply(label, changes, key = null) {
    const real = changes.filter((change) => change.from !== change.to);
    if (real.length === 0) return;
    real.forEach((change) => this.#write(change, change.to));
    const last = this.done.at(-1);
    if (key !== null && last && last.key === key && real.length === 1 && last.changes.length === 1) {
      last.changes[0].to = real[0].to;
    } else {
      this.done.push({ label, key, changes: real });
      if (this.done.length > MAX_STEPS) this.done.shift();
    }
    this.undone = [];
  }

  // What is typed next is a step of its own.
  endStep() {
    if (this.done.length > 0) this.done.at(-1).key = null;
  }

  undo() {
    const step = this.done.pop();
    if (!step) return null;
    [...step.changes].reverse().forEach((change) => this.#write(change, change.from));
    this.undone.push(step);
    return step.label;
  }

  redo() {
    const step = this.undone.pop();
    if (!step) return null;
    step.changes.forEach((change) => this.#write(change, change.to));
    this.done.push({ ...step, key: null });
    return step.label;
  }

  #write(change, value) {
    if ("scene" in change) this.scene[change.scene][change.field] = value;
    else if ("field" in change) this.clusters[change.cluster][change.field] = value;
    else if (value === null) this.moved.delete(change.patch);
    else this.moved.set(change.patch, value);
  }

  // The content of names.json.
  toFile() {
    return {
      format: FORMAT,
      version: this.scene.length > 0 ? VERSION : 1, // 1 has no scene, and earlier programs read it
      run: this.facts.run,
      num_clusters: this.clusters.length,
      clusters: this.clusters.map((entry, cluster) => ({ cluster, ...entry, name: tidy(entry.name) })),
      moved: [...this.moved].sort(([a], [b]) => a - b).map(([patch, cluster]) => ({ patch, cluster })),
      ...(this.scene.length > 0 && { scene: this.scene.map(({ name }, cluster) => ({ cluster, name: tidy(name) })) }),
    };
  }

  // Take over a names.json as one step; throws an Error that says what is wrong with it.
  fromFile(text, label) {
    const { clusters, moved, scene } = readFile(text, this.facts);
    const changes = clusters.flatMap((entry, cluster) =>
      Object.entries(entry).map(([field, to]) => this.set(cluster, field, to)),
    );
    scene.forEach(({ name }, cluster) => changes.push(this.setScene(cluster, "name", name)));
    const patches = new Set([...this.moved.keys(), ...moved.keys()]);
    for (const patch of patches) changes.push(this.move(patch, moved.has(patch) ? moved.get(patch) : null));
    this.endStep();
    this.apply(label, changes);
  }

  // Everything as text, for the browser to keep.
  toText() {
    return JSON.stringify({ file: this.toFile(), done: this.done, undone: this.undone });
  }

  // Go on from what the browser kept; throws an Error where that is damaged or of another run.
  fromText(text) {
    const { file, done, undone } = JSON.parse(text);
    const { clusters, moved, scene } = readFile(JSON.stringify(file), this.facts);
    Object.assign(this, { clusters, moved, scene, done, undone });
  }
}

// Check a names.json and take it apart: one entry a cluster in their order, patch -> cluster, and the scene's.
function readFile(text, facts) {
  const count = facts.colors.length;
  const file = parse(text);
  check(file !== null && file.format === FORMAT, "it is not a names file of objdisc");
  check([1, VERSION].includes(file.version), `it is of version ${file.version}; this page reads 1 and ${VERSION}`);
  check([facts.run, ...facts.former_runs].includes(file.run) && file.num_clusters === count, "it belongs to another run");
  check(Array.isArray(file.clusters) && Array.isArray(file.moved ?? []), "its clusters or moved patches are no list");
  const clusters = facts.colors.map((color) => ({ name: "", color, merged_into: null, rejected: false }));
  for (const entry of file.clusters) {
    check(isBelow(entry?.cluster, count), `there is no cluster ${entry?.cluster}`);
    const { cluster, name = "", color = facts.colors[cluster], merged_into = null, rejected = false } = entry;
    const where = `cluster ${cluster}:`;
    check(typeof name === "string", `${where} its name is no text`);
    check(/^#[0-9a-f]{6}$/i.test(color), `${where} its color is not like #3366cc`);
    check(merged_into === null || isBelow(merged_into, count), `${where} it is merged into no cluster`);
    check(typeof rejected === "boolean", `${where} rejected is neither true nor false`);
    clusters[cluster] = { name, color: color.toLowerCase(), merged_into, rejected };
  }
  clusters.forEach((_, cluster) => {
    let steps = 0;
    for (let next = cluster; next !== null; next = clusters[next].merged_into) {
      check(steps++ < count, "its clusters are merged in a circle");
    }
  });
  const moved = new Map();
  for (const entry of file.moved ?? []) {
    check(isBelow(entry?.patch, facts.num_patches), `there is no patch ${entry?.patch}`);
    check(entry.cluster === REJECTED || isBelow(entry.cluster, count), `there is no cluster ${entry.cluster}`);
    moved.set(entry.patch, entry.cluster);
  }
  const scene = facts.scene.map(() => ({ name: "" }));
  check(Array.isArray(file.scene ?? []), "its scene is no list");
  for (const entry of file.scene ?? []) {
    check(isBelow(entry?.cluster, scene.length), `the scene has no cluster ${entry?.cluster}`);
    check(typeof (entry.name ?? "") === "string", `scene ${entry.cluster}: its name is no text`);
    scene[entry.cluster] = { name: entry.name ?? "" };
  }
  return { clusters, moved, scene };
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("it is not valid JSON");
  }
}

function check(fine, complaint) {
  if (!fine) throw new Error(complaint);
}

function isBelow(value, count) {
  return Number.isInteger(value) && value >= 0 && value < count;
}

// As the export reads a name: composed letters, single spaces.
function tidy(name) {
  return name.normalize("NFC").trim().split(/\s+/u).join(" ");
}

// The browser's memory for one run; available is false where the browser refuses, as some do for pages from disk.
class Memory {
  constructor(run, formerRuns) {
    this.key = `objdisc-names:${run}`;
    this.formerKeys = formerRuns.map((former) => `objdisc-names:${former}`);
    this.available = true;
  }

  read() {
    try {
      const kept = [this.key, ...this.formerKeys].map((key) => window.localStorage.getItem(key));
      return kept.find((text) => text !== null) ?? null;
    } catch {
      this.available = false;
      return null;
    }
  }

  write(text) {
    try {
      window.localStorage.setItem(this.key, text);
      this.available = true;
    } catch {
      this.available = false;
    }
  }
}
