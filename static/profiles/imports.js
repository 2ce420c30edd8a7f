// Import Users: the upload's progress, the columns' form, the import's progress. All texts come from the page.
const upload = document.querySelector("[data-upload]");
if (upload) upload.addEventListener("submit", send);

function send(event) {
  event.preventDefault();
  const file = upload.querySelector("input[type=file]").files[0];
  if (file.size > Number(upload.dataset.limit)) return refuse(upload.dataset.tooLarge);
  const request = new XMLHttpRequest();
  request.open("POST", upload.action);
  request.setRequestHeader("Accept", "application/json");
  request.responseType = "json";
  request.upload.addEventListener("progress", (step) => show(upload, (100 * step.loaded) / step.total));
  request.addEventListener("load", () => {
    if (request.response?.address) location.assign(request.response.address);
    else refuse(request.response?.error ?? upload.dataset.failed);
  });
  request.addEventListener("error", () => refuse(upload.dataset.failed));
  refuse("");
  busy(true);
  show(upload, 0);
  request.send(new FormData(upload));
}

function refuse(text) {
  const error = upload.querySelector("[data-error]");
  error.textContent = text;
  error.hidden = !text;
  upload.querySelector("[data-progress]").hidden = true;
  busy(false);
}

function busy(isBusy) {
  upload.querySelector("button").disabled = isBusy;
}

function show(around, share) {
  const bar = around.querySelector("[data-progress]");
  bar.hidden = false;
  bar.setAttribute("aria-valuenow", Math.round(share));
  bar.firstElementChild.style.width = `${share}%`;
}

// Only a custom attribute has a name and a type of its own; one that exists keeps its type.
const mapping = document.querySelector("[data-mapping]");
if (mapping) {
  const known = JSON.parse(document.getElementById("known-types").textContent);
  const adapt = (row) => {
    const target = row.querySelector("select[name^=target-]");
    const name = row.querySelector("input");
    const type = row.querySelector("select[name^=type-]");
    for (const field of [name, type]) field.hidden = target.value !== "custom";
    if (known[name.value.trim()]) type.value = known[name.value.trim()];
  };
  const rows = mapping.querySelectorAll("tbody tr");
  rows.forEach(adapt);
  mapping.addEventListener("input", (event) => adapt(event.target.closest("tr") ?? rows[0]));
}

const running = document.querySelector("[data-status]");
if (running) follow();

async function follow() {
  try {
    const answer = await fetch(running.dataset.status, { headers: { Accept: "application/json" } });
    const now = await answer.json();
    if (!now.working) return location.reload();
    show(running, now.share);
    running.querySelector("[data-share]").textContent = now.share;
    running.querySelector("[data-said]").textContent = now.text;
  } catch {
    // The connection is away for a moment: ask again.
  }
  setTimeout(follow, 1000);
}
