// Reading the files of a version: keys, and an address that always leads back to what is shown.
// Without this script every file still opens on a page of its own.
"use strict";

const panel = () => document.querySelector("#file > .file");
const isNarrow = () => matchMedia("(max-width: 60rem)").matches;

const go = (name) => {
  const target = document.querySelector(`#file [data-go="${name}"]`);
  if (target && !target.hasAttribute("aria-disabled")) target.click();
};

const markCurrent = () => {
  for (const link of document.querySelectorAll(".tree__file[aria-current]")) {
    link.removeAttribute("aria-current");
  }
  const position = panel()?.dataset.position;
  const link = position && document.querySelector(`.tree__file[data-position="${position}"]`);
  if (!link) return;
  link.setAttribute("aria-current", "true");
  for (let box = link.parentElement.closest("details.folder"); box; ) {
    box.open = true;
    box = box.parentElement.closest("details.folder");
  }
  const tree = link.closest(".reader__tree");
  if (!tree || isNarrow()) return;
  const [mine, whole] = [link.getBoundingClientRect(), tree.getBoundingClientRect()];
  if (mine.top < whole.top + 40 || mine.bottom > whole.bottom) {
    tree.scrollTop += mine.top - whole.top - tree.clientHeight / 3;
  }
};

// The review page's address with this file; on a page of the file alone, that page's own.
const remember = ({ asStep = false } = {}) => {
  const data = panel()?.dataset;
  const page = (document.getElementById("files") && data?.page) || data?.ownPage;
  if (!page) return;
  const line = /^#([on]\d+)$/.exec(location.hash);
  const address = line ? `${page}&line=${line[1]}${location.hash}` : page;
  if (asStep) history.pushState(null, "", address);
  else history.replaceState(history.state, "", address);
};

// A click is a step that the browser's "back" takes back; with keys there are too many of them.
let byKey = false;

document.addEventListener(
  "click",
  (event) => {
    if (event.isTrusted) byKey = false;
  },
  true,
);

const showFile = () => {
  markCurrent();
  if (location.hash) history.replaceState(history.state, "", location.pathname + location.search);
  remember({ asStep: !byKey });
  byKey = false;
  const box = document.getElementById("file");
  const fold = document.querySelector(".reader__fold");
  if (fold && isNarrow()) fold.open = false;
  const top = box.getBoundingClientRect().top;
  if (top < 0 || top > innerHeight / 2) box.scrollIntoView({ block: "start" });
  // Not while somebody moves through the tree with the keyboard.
  if (!document.activeElement?.closest(".reader__tree")) box.focus({ preventScroll: true });
};

const changes = () => {
  const rows = [...document.querySelectorAll("#file .diff tr")];
  const isChange = (row) =>
    row?.matches(".diff__added, .diff__removed, .diff__pair:not(.diff__pair--same)");
  return rows.filter((row) => isChange(row) && !isChange(row.previousElementSibling));
};

const moveToChange = (step) => {
  const below = 160;
  const tops = changes().map((row) => [row, row.getBoundingClientRect().top - below]);
  const found =
    step > 0 ? tops.find(([, top]) => top > 8) : tops.reverse().find(([, top]) => top < -8);
  if (!found) return;
  scrollBy({ top: found[1] });
  // From here one goes on line by line, or says something of this one.
  numberOf(found[0])?.focus({ preventScroll: true });
};

const numberOf = (row) => [...row.querySelectorAll(".diff__no > a")].at(-1);

// Thousands of line numbers are no place to stop with Tab: arrows go from one to the next.
document.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  let row = event.target.closest?.("#file .diff__no > a")?.closest("tr");
  if (!row) return;
  do {
    row = event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
  } while (row && !numberOf(row));
  if (!row) return;
  event.preventDefault();
  numberOf(row).focus();
});

// A comment on a line opens under it; without this script, on a page of its own.
const openTalk = (button) => {
  const form = document.getElementById("say");
  const query = new URLSearchParams(new FormData(form));
  query.set("at", button.value);
  const row = button.closest("tr");
  let talk = row.nextElementSibling;
  while (talk?.matches(".diff__talk") && talk.dataset.at !== button.value) {
    talk = talk.nextElementSibling;
  }
  if (!talk?.matches(".diff__talk")) talk = null;
  htmx.ajax("GET", `${form.getAttribute("action")}?${query}`, {
    target: talk ?? row,
    swap: talk ? "outerHTML" : "afterend",
  });
};

document.addEventListener("click", (event) => {
  const button = event.target.closest?.(".diff__reply");
  if (!button || !window.htmx) return;
  event.preventDefault();
  openTalk(button);
});

// On the line where the keyboard is, or that the address names; else on the file, or a line whose
// number one types.
const comment = () => {
  const here = document.activeElement?.closest("#file .diff__no > a")?.hash;
  const line = /^#([on]\d+)$/.exec(here ?? location.hash);
  const row = line && document.getElementById(line[1])?.closest("tr");
  const button = row?.querySelector(`.diff__reply[value="${line[1]}"]`);
  if (button) {
    openTalk(button);
    return;
  }
  const field = document.getElementById("file-text");
  if (!field) return;
  field.closest("details").open = true;
  field.focus();
};

const toggleKeys = () => {
  const keys = document.getElementById("keys");
  if (!keys) return;
  if (keys.open) keys.close();
  else keys.showModal();
};

const KEYS = {
  j: () => go("next-unviewed"),
  k: () => go("previous-unviewed"),
  "]": () => go("next"),
  "[": () => go("previous"),
  v: () => go("viewed"),
  n: () => moveToChange(1),
  p: () => moveToChange(-1),
  s: () => document.querySelector("#file .choice > .choice__one:not([aria-current])")?.click(),
  "/": () => document.getElementById("file-path")?.focus(),
  c: comment,
  "?": toggleKeys,
};

// Single keys disturb who speaks to the computer or presses keys by mistake: they can be put away.
const KEPT = "countersign-keys";
const usesKeys = () => localStorage.getItem(KEPT) !== "off";

document.addEventListener("keydown", (event) => {
  if (!usesKeys() || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable]")) return;
  const action = KEYS[event.key];
  if (!action || !panel()) return;
  if (document.getElementById("keys")?.open && event.key !== "?") return;
  event.preventDefault();
  press(event.key);
});

// Keys that come while a file is on its way mean that file, not the one still shown.
let isUnderWay = false;
const waiting = [];

const press = (key) => {
  if (isUnderWay) {
    waiting.push(key);
    return;
  }
  byKey = true;
  KEYS[key]();
};

const isForPanel = (event) =>
  event.detail.target?.id === "file" || event.detail.elt?.closest?.("#file .file__moves");

document.addEventListener("htmx:beforeRequest", (event) => {
  if (isForPanel(event)) isUnderWay = true;
});
document.addEventListener("htmx:afterSettle", (event) => {
  // The count and the tree settle apart, and sooner.
  if (!event.target.closest("#file")) return;
  isUnderWay = false;
  if (waiting.length) press(waiting.shift());
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) return;
  isUnderWay = false;
  waiting.length = 0;
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
  if (event.target.closest(".file-filter")) document.getElementById("file")?.focus();
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("show-keys");
  if (button) {
    button.hidden = false;
    button.addEventListener("click", toggleKeys);
  }
  const use = document.getElementById("use-keys");
  if (use) {
    use.checked = usesKeys();
    use.addEventListener("change", () => localStorage.setItem(KEPT, use.checked ? "on" : "off"));
  }
  const fold = document.querySelector(".reader__fold");
  if (fold && isNarrow()) fold.open = false;
  markCurrent();
  // A sign-in on the way loses what stands behind the #.
  const line = new URLSearchParams(location.search).get("line");
  if (line && !location.hash && document.getElementById(line)) location.hash = line;
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id === "file") showFile();
  else if (event.detail.target.closest("#file-list")) markCurrent();
  // What was pressed is gone with its row: the keyboard goes on in the diff.
  else if (document.activeElement === document.body) {
    document.querySelector("#file .diff")?.focus({ preventScroll: true });
  }
});

addEventListener("hashchange", () => remember());
addEventListener("popstate", () => {
  if (!location.hash) location.reload();
});
