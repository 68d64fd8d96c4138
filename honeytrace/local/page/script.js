// Everything reads and works without this file. It adds: choosing a step without losing one's
// place, copying, folds that are remembered, keys, and news of sessions as they end.
"use strict";

document.documentElement.classList.add("js");
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const one = (selector, within = document) => within.querySelector(selector);

// Choose a step: only the panel beside the tree is exchanged.

async function choose(address, push = true) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const panel = one("#step", page);
  if (!answer.ok || !panel) return void (location.href = address);
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
    const session = await (await fetch(`/session/${one("#step").dataset.id}`)).json();
    const value = session[field];
    const only = value && Object.keys(value).length === 1 ? Object.values(value)[0] : value;
    text = typeof only === "string" ? only : JSON.stringify(value, null, 2);
  }
  await navigator.clipboard.writeText(text);
  say("Copied");
});

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
  const level = Number((one(".what", item).className.match(/d(\d+)/) || [])[1]) + 1;
  item.setAttribute("role", "treeitem");
  item.setAttribute("aria-level", level);
  item.setAttribute("aria-label", one(".what", item).textContent.trim());
  if (!details) continue;
  const tell = () => item.setAttribute("aria-expanded", details.open);
  details.addEventListener("toggle", tell);
  tell();
}
