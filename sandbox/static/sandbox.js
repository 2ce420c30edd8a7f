// The page's behaviour. All words come from the templates; all changes go through the JSON API under /sandbox.
"use strict";

const POLL_MILLISECONDS = 1500;
const body = document.body;
const connected = () => document.getElementById("cohorts-table").dataset.connected === "yes";

async function send(method, url, content) {
  const options = { method, headers: { "Content-Type": "application/json" } };
  if (content !== undefined) options.body = JSON.stringify(content);
  try {
    const answer = await fetch(url, options);
    return { ok: answer.ok, content: await answer.json() };
  } catch {
    return { ok: false, content: { error: body.dataset.failed, field: null } };
  }
}

function notify(text) {
  const notice = document.getElementById("notice");
  notice.textContent = text;
  notice.hidden = !text;
}

// --- menus: popovers, placed beside their button, moved through with the arrow keys

function toggleMenu(button) {
  const menu = document.getElementById(button.dataset.menu);
  if (menu.matches(":popover-open")) return menu.hidePopover();
  menu.showPopover();
  const anchor = button.getBoundingClientRect();
  const size = menu.getBoundingClientRect();
  const beside = "side" in button.dataset && anchor.left - size.width > 8;
  const left = beside ? anchor.left - size.width - 4 : anchor.right - size.width;
  const below = beside ? anchor.top - 7 : anchor.bottom + 4;
  const top = below + size.height > innerHeight ? anchor.top - size.height - 4 : below;
  menu.style.left = `${Math.max(8, left)}px`;
  menu.style.top = `${Math.max(8, top)}px`;
  menu.querySelector("button").focus();
}

function markExpanded(event) {
  const button = document.querySelector(`[data-menu="${event.target.id}"]`);
  if (button) button.setAttribute("aria-expanded", String(event.newState === "open"));
}

function moveInMenu(event) {
  const menu = event.target.closest(".menu");
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!menu || !step) return;
  const items = [...menu.children].filter((child) => child.matches("button"));
  const next = items[(items.indexOf(event.target) + step + items.length) % items.length];
  next.focus();
  event.preventDefault();
}

function closeMenus() {
  for (const menu of document.querySelectorAll(".menu:popover-open")) menu.hidePopover();
}

// --- dialogs

// The export that was asked for before Braze was connected; forgotten when a dialog closes.
let afterConnecting = null;

async function openDialog(button) {
  closeMenus();
  if ("needsConnection" in button.dataset && !connected()) {
    afterConnecting = { ...button.dataset };
    return document.getElementById("connect-dialog").showModal();
  }
  const dialog = document.getElementById(button.dataset.dialog);
  const form = dialog.querySelector("form");
  if (dialog.id === "cohort-dialog" && !(await fillCohort(form, button.dataset.cohort))) return undefined;
  if (button.dataset.url) fillNamed(dialog, button.dataset);
  clearErrors(form);
  showChosen(form);
  return dialog.showModal();
}

function fillNamed(dialog, data) {
  dialog.querySelector("form").dataset.url = data.url;
  for (const text of dialog.querySelectorAll("[data-text]")) {
    text.textContent = text.dataset.text.replace("{name}", () => data.name).replace("{count}", () => data.count);
  }
}

async function fillCohort(form, id) {
  form.reset();
  const title = form.querySelector("h2");
  title.textContent = id ? title.dataset.edit : title.dataset.new;
  form.dataset.url = id ? `/sandbox/cohorts/${id}` : "/sandbox/cohorts";
  form.dataset.method = id ? "PUT" : "POST";
  form.profiles = new Map();
  if (!id) return true;
  const { ok, content } = await send("GET", form.dataset.url);
  if (!ok) {
    notify(content.error);
    return false;
  }
  form.profiles = new Map(content.members.map((member) => [member.distinct_id, member]));
  form.elements.name.value = content.name;
  form.elements.description.value = content.description;
  form.elements.members.value = [...form.profiles.keys()].join("\n");
  return true;
}

// --- forms

function read(form) {
  const values = {};
  for (const field of form.elements) {
    if (!field.name || (field.type === "radio" && !field.checked)) continue;
    const hidden = field.closest("[data-when]");
    if (hidden && hidden.hidden) continue;
    if (field.type === "checkbox") values[field.name] = field.checked;
    else if ("number" in field.dataset) values[field.name] = field.value === "" ? null : Number(field.value);
    else values[field.name] = "emptyIsNull" in field.dataset && !field.value ? null : field.value;
  }
  if ("cohortForm" in form.dataset) {
    const ids = values.members.split("\n").map((line) => line.trim()).filter(Boolean);
    values.members = ids.map((id) => form.profiles.get(id) || id);
  }
  return values;
}

function clearErrors(form) {
  for (const error of form.querySelectorAll("[data-error]")) error.textContent = "";
  for (const field of form.elements) field.removeAttribute("aria-invalid");
}

function showError(form, { error, field }) {
  const named = field && form.querySelector(`[data-error="${CSS.escape(field)}"]`);
  (named || form.querySelector('[data-error=""]')).textContent = error;
  const input = named && form.elements[field];
  if (input && input.focus) {
    input.setAttribute("aria-invalid", "true");
    input.focus();
  }
}

function showChosen(form) {
  const chosen = [...form.querySelectorAll("input[type=radio]:checked")].map((radio) => radio.value);
  for (const part of form.querySelectorAll("[data-when]")) part.hidden = !chosen.includes(part.dataset.when);
}

async function submit(form) {
  clearErrors(form);
  const method = form.dataset.method || "POST";
  const button = form.querySelector("[type=submit]");
  button.disabled = true;
  const { ok, content } = await send(method, form.dataset.url, method === "DELETE" ? undefined : read(form));
  button.disabled = false;
  if (!ok) return showError(form, content);
  const next = afterConnecting;
  afterConnecting = null;
  const dialog = form.closest("dialog");
  if (dialog) dialog.close();
  form.reset();
  showChosen(form);
  await refresh();
  return next ? openDialog({ dataset: next }) : undefined;
}

// --- keeping the page up to date without losing what is open

async function refresh() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) replace(part, fresh.getElementById(part.id));
    body.dataset.version = fresh.body.dataset.version;
    if (!document.querySelector("dialog[open]")) {
      document.getElementById("connect-dialog").replaceWith(fresh.getElementById("connect-dialog"));
    }
    notify("");
  } catch {
    notify(body.dataset.failed);
  }
}

function replace(part, fresh) {
  if (part.querySelector(":popover-open")) return;
  const open = [...part.querySelectorAll("details[open]")].map((details) => details.id);
  const scrolled = part.querySelector(".scroll");
  const position = scrolled ? scrolled.scrollTop : 0;
  part.replaceWith(fresh);
  const scrollable = fresh.querySelector(".scroll");
  if (scrollable) scrollable.scrollTop = position;
  for (const id of open) {
    const details = document.getElementById(id);
    if (details) details.open = true;
  }
}

async function poll() {
  if (!document.hidden && !document.querySelector(":popover-open")) {
    const { ok, content } = await send("GET", "/sandbox/events/summary");
    if (!ok) notify(body.dataset.failed);
    else if (String(content.version) !== body.dataset.version) await refresh();
    else notify("");
  }
  setTimeout(poll, POLL_MILLISECONDS);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.menu) toggleMenu(button);
  else if (button.dataset.dialog) openDialog(button);
  else if ("close" in button.dataset) button.closest("dialog").close();
  else if (button.dataset.send) {
    closeMenus();
    const { ok, content } = await send(button.dataset.send, button.dataset.url);
    await refresh();
    if (!ok) notify(content.error);
  }
});
document.addEventListener("submit", (event) => {
  if (!("form" in event.target.dataset)) return;
  event.preventDefault();
  submit(event.target);
});
document.addEventListener("change", (event) => event.target.form && showChosen(event.target.form));
document.addEventListener("keydown", moveInMenu);
document.addEventListener("toggle", markExpanded, true);
document.addEventListener("close", () => { afterConnecting = null; }, true);
for (const form of document.querySelectorAll("form[data-form]")) showChosen(form);
setTimeout(poll, POLL_MILLISECONDS);
