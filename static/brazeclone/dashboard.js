// Behaviour that every screen shares, by attributes:
//   data-dialog="id"   opens that <dialog>;  data-close   closes the dialog around it
//   data-copy="id"     copies that element's text (or value) and shows data-copied in place of its own text for a moment
//   data-filter="id"   a search box that hides the children of that element which do not hold the typed words
//   data-submit        a select or checkbox that submits its form when changed
document.addEventListener("click", async (event) => {
  const target = event.target.closest("[data-dialog], [data-close], [data-copy]");
  if (!target) return;
  if (target.dataset.dialog) document.getElementById(target.dataset.dialog).showModal();
  else if ("close" in target.dataset) target.closest("dialog").close();
  else await copy(target);
});

document.addEventListener("input", (event) => {
  const box = event.target.closest("[data-filter]");
  if (!box) return;
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const item of document.getElementById(box.dataset.filter).children) {
    const text = item.textContent.toLowerCase();
    item.classList.toggle("ui-hidden", !words.every((word) => text.includes(word)));
  }
});

document.addEventListener("change", (event) => {
  const control = event.target.closest("[data-submit]");
  if (control) control.form.requestSubmit();
});

// A menu or picker made of <details> closes when one clicks elsewhere or presses Escape.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.ui-menu[open], details.ui-picker[open]"))
    if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.ui-menu[open], details.ui-picker[open]")) menu.open = false;
});

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const text = "value" in source ? source.value : source.textContent.trim();
  await writeClipboard(text);
  const before = button.textContent;
  button.textContent = button.dataset.copied;
  setTimeout(() => (button.textContent = before), 1500);
}

// The clipboard API exists only on https and localhost; elsewhere the old way still works.
async function writeClipboard(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).catch(() => fallbackCopy(text));
  return fallbackCopy(text);
}

function fallbackCopy(text) {
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

// The scrolled menu's script names its area in English, whatever the page's language.
window.addEventListener("load", () => {
  const named = document.querySelector("[data-scrollable]");
  if (!named) return;
  for (const area of document.querySelectorAll(".simplebar-content-wrapper"))
    area.setAttribute("aria-label", named.dataset.scrollable);
});
