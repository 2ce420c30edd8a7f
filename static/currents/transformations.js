// The field transformations of a Current's form: lines are added and removed. Texts come from the template.
for (const panel of document.querySelectorAll("[data-transformations]")) {
  const rows = panel.querySelector("[data-rows]");

  panel.querySelector("[data-add]").addEventListener("click", () => {
    rows.append(panel.querySelector("template").content.cloneNode(true));
    rows.lastElementChild.querySelector("input").focus();
  });

  panel.addEventListener("click", (event) => {
    event.target.closest("[data-remove]")?.closest("[data-transformation]").remove();
  });
}
