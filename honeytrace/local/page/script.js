// Everything reads and works without this file. It adds: choosing a step without losing one's
// place, copying, folds that are remembered, keys, and news of sessions as they end.
"use strict";

document.documentElement.classList.add("js");
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const one = (selector, within = document) => within.querySelector(selector);

// Choose a step: only the panel beside the tree is exchanged.

async function choose(address, push = true) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } }).catch(() => null);
  const page = answer?.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
  const panel = page && one("#step", page);
  if (!panel) return void (location.href = address); // the browser shows what is wrong
  one("#step").replaceWith(document.adoptNode(panel));
  one("#step").scrollTop = 0;
  for (const row of all(".row.chosen")) {
    row.classList.remove("chosen");
    one(".step", row).removeAttribute("aria-current");
  }
  const link = all(".tree .step").find((each) => each.pathname === new URL(address, location).pathname);
  if (link) {
    link.closest(".row").classList.add("chosen");
    link.setAttribute("aria-current", "true");
  }
  if (push) history.pushState(null, "", address);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest(".tree .step, .answers .step, .views a[href^='/s/']");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  choose(link.href);
  if (matchMedia("(max-width: 1000px)").matches) one("#step").scrollIntoView();
});
addEventListener("popstate", () => one("#step") && choose(location.href, false));

// Copy a value as it was recorded, or the text beside the button.

document.addEventListener("click", async (event) => {
  const button = event.target.closest(".copy");
  if (!button) return;
  const field = button.dataset.field;
  let text = one("pre", button.closest("section"))?.textContent ?? "";
  if (field) {
    const answer = await fetch(`/session/${one("#step").dataset.id}`).catch(() => null);
    if (!answer?.ok) return say("Nothing was copied: the server has no such session now");
    const value = (await answer.json())[field];
    const only = value && Object.keys(value).length === 1 ? Object.values(value)[0] : value;
    text = typeof only === "string" ? only : JSON.stringify(value, null, 2);
  }
  copy(text, "Copied");
});

async function copy(text, done) {
  // Without HTTPS, browsers have a clipboard only for pages of this machine.
  const copied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
  say(copied ? done : "The browser does not let this page copy");
}

let saying;
function say(words) {
  const box = one("#said") || document.body.appendChild(Object.assign(document.createElement("p"), { id: "said" }));
  box.setAttribute("role", "status");
  box.textContent = words;
  clearTimeout(saying);
  saying = setTimeout(() => (box.textContent = ""), 2000);
}

// Folds: each is remembered for its step, and "Unfold all" for every session.

const folds = () => JSON.parse(localStorage.getItem("folds") || "{}");
const idOf = (details) => one(".step", details.parentElement)?.pathname.slice(3);

function remember(details) {
  const kept = Object.entries(folds()).slice(-500);
  localStorage.setItem("folds", JSON.stringify({ ...Object.fromEntries(kept), [idOf(details)]: details.open }));
}

function foldAll(open) {
  for (const details of all(".tree details")) details.open = open || details.matches(".tree > li > details");
}

if (one(".tree")) {
  const chosen = new URLSearchParams(location.search).get("fold") || localStorage.getItem("fold");
  if (chosen) foldAll(chosen === "all");
  else for (const details of all(".tree details")) details.open = folds()[idOf(details)] ?? details.open;
  for (const summary of all(".tree summary")) {
    summary.addEventListener("click", () => setTimeout(() => remember(summary.parentElement)));
  }
  for (const link of all("[data-fold]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      foldAll(link.dataset.fold === "all");
      if (link.dataset.fold === "all") localStorage.setItem("fold", "all");
      else localStorage.removeItem("fold");
    });
  }
}

// Screen readers are told that the nested lists are a tree.

for (const list of all(".tree, .tree ul")) list.setAttribute("role", list.matches(".tree") ? "tree" : "group");
for (const item of all(".tree li")) {
  const details = one(":scope > details", item);
  const what = one(".what", item);
  item.setAttribute("role", "treeitem");
  item.setAttribute("aria-level", Number((what.className.match(/d(\d+)/) || [])[1]) + 1);
  item.setAttribute("aria-label", what.textContent.trim());
  if (!details) continue;
  const tell = () => item.setAttribute("aria-expanded", details.open);
  details.addEventListener("toggle", tell);
  tell();
}

// News: a bar says how many new sessions there are, and nothing that one reads moves.

const news = one(".news");
if (news) {
  const about = `after=${news.dataset.after}&q=${encodeURIComponent(one("#q").value)}`;
  const tell = (count) => {
    news.hidden = !count;
    one("a", news).textContent = `${count} new`;
  };
  const poll = async () => {
    const answer = await fetch(`/live.json?${about}`).catch(() => null);
    if (answer?.ok) tell((await answer.json()).new);
    if (!answer || answer.ok) setTimeout(poll, 5000);
  };
  const source = new EventSource(`/live?${about}`);
  source.onmessage = (event) => tell(Number(event.data));
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) poll();
  };
}

// Two sessions can be compared: until two are ticked, the button does nothing.

const button = one("button.compare");
if (button) {
  const tell = () => (button.disabled = all("input[name='pick']:checked").length !== 2);
  button.form.addEventListener("change", tell);
  addEventListener("pageshow", tell); // a browser that goes back keeps the ticks
  tell();
}

// Keys.

const rows = () => all(".sessions tbody tr, .tree .row").filter((row) => row.offsetParent);
const linkOf = (row) => one(".name, .step", row);
const focused = () => document.activeElement?.closest(".sessions tbody tr, .tree .row");

function focusRow(row) {
  if (!row) return;
  for (let up = row.parentElement; up; up = up.parentElement) {
    if (up.tagName === "DETAILS") up.open = true;
  }
  linkOf(row)?.focus();
  row.scrollIntoView({ block: "nearest" });
}

function step(by) {
  const known = rows();
  const at = known.indexOf(focused() ?? one(".row.chosen"));
  focusRow(known[at < 0 ? 0 : Math.min(Math.max(at + by, 0), known.length - 1)]);
}

function fold(open) {
  const item = focused()?.closest("li");
  const details = item && one(":scope > details", item);
  if (details && details.open !== open) {
    details.open = open;
    remember(details);
  } else if (item && !open) {
    focusRow(one(":scope > .row", item.parentElement.closest("li") ?? item));
  }
}

function next(known) {
  focusRow(known[(known.indexOf(focused()) + 1) % known.length]);
}

let lastSlow;
function nextSlowest() {
  const known = all(".tree .row[data-self]").sort((a, b) => b.dataset.self - a.dataset.self);
  const at = lastSlow === focused() ? known.indexOf(lastSlow) + 1 : 0;
  lastSlow = known[at % known.length];
  focusRow(lastSlow);
}

function compare() {
  const link = one("a[rel='compare']");
  if (link) return link.click();
  const box = one("input[name='pick']", focused() ?? document.createElement("p"));
  if (!box) return;
  box.checked = !box.checked;
  box.dispatchEvent(new Event("change", { bubbles: true }));
  if (all("input[name='pick']:checked").length === 2) box.form.requestSubmit();
}

const KEYS = {
  j: ["next row", () => step(1)],
  k: ["previous row", () => step(-1)],
  Enter: ["open the row", null],
  h: ["fold", () => fold(false)],
  l: ["unfold", () => fold(true)],
  "/": ["search", () => one("#q")?.select()],
  e: ["next error", () => next(all(".row.failed, tr.failed"))],
  s: ["next slowest step", nextSlowest],
  c: ["tick a session to compare; in a session: compare with the run before", compare],
  y: ["copy the link", () => copy(location.href, "Link copied")],
  "[": ["newer session", () => one("a[rel='prev']")?.click()],
  "]": ["older session", () => one("a[rel='next']")?.click()],
  "?": ["these keys", help],
};
const ARROWS = { ArrowDown: "j", ArrowUp: "k", ArrowLeft: "h", ArrowRight: "l" };

function help() {
  const box = one("#keys") || document.body.appendChild(document.createElement("dialog"));
  box.id = "keys";
  const list = document.createElement("dl");
  for (const [key, [words]] of Object.entries(KEYS)) {
    const term = document.createElement("dt");
    term.appendChild(document.createElement("kbd")).textContent = key;
    const meaning = document.createElement("dd");
    meaning.textContent = words;
    list.append(term, meaning);
  }
  const title = document.createElement("h2");
  title.textContent = "Keys";
  box.replaceChildren(title, list);
  box.showModal();
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || one("dialog[open]")) return;
  if (event.target.matches("textarea, select, input:not([type='checkbox'])")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const arrow = focused() ? ARROWS[event.key] : undefined;
  const found = KEYS[arrow ?? event.key]?.[1];
  if (!found) return;
  event.preventDefault();
  found();
});
