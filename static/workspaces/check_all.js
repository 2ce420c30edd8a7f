// A box with data-check-all checks and clears all boxes of the data-check-group around it, and shows how they stand.
for (const group of document.querySelectorAll("[data-check-group]")) {
  const all = group.querySelector("[data-check-all]");
  const boxes = [...group.querySelectorAll("input[type=checkbox]:not([data-check-all])")];
  const show = () => {
    const checked = boxes.filter((box) => box.checked).length;
    all.checked = checked === boxes.length;
    all.indeterminate = checked > 0 && checked < boxes.length;
  };
  all.addEventListener("change", () => boxes.forEach((box) => (box.checked = all.checked)));
  group.addEventListener("change", show);
  show();
}
