// The exports on a segment's page: the dialog that begins one, and the list, fetched anew while one is being written.
{
  const panel = document.querySelector("[data-exports]");
  const dialog = document.getElementById("segment-export");
  const list = panel.querySelector("[data-list]");
  const choices = dialog.querySelector("[data-choices]");
  const { requests } = Segments;
  let timer = null;

  async function fragment(url) {
    const answer = await fetch(url, { credentials: "same-origin" }).catch(() => null);
    // A session that has ended answers with the page to log in at.
    return answer?.ok && !answer.redirected ? answer.text() : null;
  }

  function refuse(around, text) {
    const error = around.querySelector("[data-error]");
    error.textContent = text;
    error.hidden = !text;
  }

  async function refresh() {
    clearTimeout(timer);
    const html = await fragment(panel.dataset.exports);
    const wasWorking = list.querySelector("[data-working]") !== null;
    if (html !== null) {
      const focused = document.activeElement?.dataset?.cancel;
      list.innerHTML = html;
      if (focused) list.querySelector(`[data-cancel="${CSS.escape(focused)}"]`)?.focus();
    }
    refuse(panel, html === null ? panel.dataset.offline : "");
    const isWorking = html === null ? wasWorking : list.querySelector("[data-working]") !== null;
    if (isWorking) timer = setTimeout(refresh, 1000);
  }

  async function open() {
    refuse(dialog, "");
    dialog.showModal();
    const html = await fragment(panel.dataset.fields);
    if (html !== null) choices.innerHTML = html;
    refuse(dialog, html === null ? panel.dataset.offline : "");
  }

  async function start(event) {
    event.preventDefault();
    const fields = [...choices.querySelectorAll("[name=field]:checked")].map((box) => box.value);
    const { status, data } = await requests.post(panel.dataset.start, { fields });
    if (status !== 200) return refuse(dialog, data?.error || (status ? panel.dataset.failed : panel.dataset.offline));
    dialog.close();
    await refresh();
    panel.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  async function cancel(button) {
    button.disabled = true;
    const { status } = await requests.post(button.dataset.cancel, {});
    await refresh();
    if (status !== 200) refuse(panel, status ? panel.dataset.failed : panel.dataset.offline);
  }

  function narrow(box) {
    const wanted = box.value.trim().toLowerCase();
    for (const one of choices.querySelectorAll(".seg-attributes label")) one.hidden = !one.textContent.toLowerCase().includes(wanted);
  }

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-export-open]");
    if (opener) {
      opener.closest("details")?.removeAttribute("open");
      open();
    }
    const canceller = event.target.closest("[data-cancel]");
    if (canceller) cancel(canceller);
  });
  dialog.querySelector("form").addEventListener("submit", start);
  choices.addEventListener("input", (event) => event.target.matches("[data-narrow]") && narrow(event.target));
  refresh();
}
