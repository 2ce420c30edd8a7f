// The list of segments: the dialog that a refused name leaves open, and sizes that are exact now.
for (const dialog of document.querySelectorAll("dialog[data-open]")) dialog.showModal();

refreshSizes();

// One request at a time, so that a long list of costly segments does not crowd out other work.
async function refreshSizes() {
  const token = document.querySelector("[name=csrfmiddlewaretoken]")?.value;
  if (!token) return;
  const numbers = new Intl.NumberFormat(document.documentElement.lang);
  for (const cell of document.querySelectorAll("[data-size]")) {
    const answer = await fetch(cell.dataset.size, { method: "POST", headers: { "X-CSRFToken": token } }).catch(() => null);
    const found = answer && (await answer.json().catch(() => null));
    if (!answer?.ok || !found) continue;
    if (found.size === null) showFault(cell, found.problem);
    else cell.textContent = numbers.format(found.size);
  }
}

function showFault(cell, text) {
  const mark = document.createElement("span");
  mark.className = "ui-badge ui-badge--bad";
  mark.textContent = "!";
  mark.title = text;
  mark.setAttribute("role", "img");
  mark.setAttribute("aria-label", text);
  cell.replaceChildren("– ", mark);
}
