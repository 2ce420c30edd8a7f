// The events of a Current's form: search, select-all of a block and of a group, counts. Texts come from the template.
for (const panel of document.querySelectorAll("[data-events]")) {
  const events = [...panel.querySelectorAll("[data-event]")];
  const boxes = (part) => [...part.querySelectorAll("[data-event]:not(.ui-hidden) input")];
  const parts = [...panel.querySelectorAll("[data-block], [data-group]")];

  const refresh = () => {
    for (const counter of panel.querySelectorAll("[data-count]")) {
      const part = counter.closest("[data-block]") ?? panel;
      const all = [...part.querySelectorAll("[data-event] input")];
      const selected = all.filter((box) => box.checked).length;
      counter.textContent = counter.dataset.text.replace("{selected}", selected).replace("{total}", all.length);
    }
    for (const part of parts) {
      const shown = boxes(part);
      const selected = shown.filter((box) => box.checked).length;
      const all = part.querySelector("[data-all]");
      all.checked = shown.length > 0 && selected === shown.length;
      all.indeterminate = selected > 0 && selected < shown.length;
      part.classList.toggle("ui-hidden", shown.length === 0);
    }
    panel.querySelector("[data-none]").classList.toggle("ui-hidden", events.some((one) => !one.classList.contains("ui-hidden")));
  };

  panel.addEventListener("change", (event) => {
    if ("all" in event.target.dataset) {
      const part = event.target.closest("[data-group], [data-block]");
      for (const box of boxes(part)) box.checked = event.target.checked;
    }
    refresh();
  });

  panel.querySelector("[data-search]").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const one of events) {
      const text = one.dataset.event.toLowerCase();
      one.classList.toggle("ui-hidden", !words.every((word) => text.includes(word)));
    }
    refresh();
  });

  // Enter in the search box looks for events; it must not launch the Current.
  panel.querySelector("[data-search]").addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });

  refresh();
}
