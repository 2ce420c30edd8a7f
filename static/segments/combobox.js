// A box to type in with a list to choose from (ARIA combobox). What it offers and does comes from its configuration:
//   label, placeholder        its accessible name, what an empty box shows
//   source(query)             a promise of [{value, label, detail, group}]
//   pick(option)              what choosing does
//   chips(), remove(value)    what has been chosen
//   free                      whether Enter takes the typed text itself
document.addEventListener("alpine:init", () => {
  let boxes = 0;

  Alpine.data("segmentCombobox", (config) => ({
    label: config.label,
    placeholder: config.placeholder,
    query: "",
    asked: "",
    open: false,
    loading: false,
    options: [],
    active: -1,
    isEntered: false,
    listId: `seg-list-${++boxes}`,
    ask: null,

    init() {
      this.ask = Segments.requests.latest(config.delay || 0, () => config.source(this.asked), (found) => {
        this.options = found;
        this.loading = false;
        // Where any text can be entered, Enter takes what was typed unless another is chosen.
        this.active = found.length && this.asked && !config.free ? 0 : -1;
        if (this.isEntered && found.length) this.choose(found[0]);
        this.isEntered = false;
      });
    },
    chips: () => (config.chips ? config.chips() : []),
    remove(value) {
      config.remove(value);
      this.$refs.input.focus();
    },
    show() {
      if (this.open) return;
      this.open = true;
      this.search();
    },
    // Until the answer is there, the list shows what was found for other words: Enter chooses nothing of it, unless an
    // arrow key has; else it waits for the answer, also when the box is left in the meantime.
    search() {
      this.open = true;
      this.loading = true;
      this.active = -1;
      this.isEntered = false;
      this.asked = this.query;
      this.ask();
    },
    close() {
      this.open = false;
      if (config.free && this.query.trim()) this.take(this.query);
      this.query = "";
      this.active = -1;
    },
    choose(option) {
      config.pick(option);
      this.query = "";
      // The list would cover what comes next; a key or a click opens it again for another choice.
      this.open = false;
    },
    take(text) {
      config.pick({ value: text.trim(), label: text.trim() });
      this.query = "";
      this.open = false;
    },
    heading(index) {
      const group = this.options[index].group;
      return group && group !== this.options[index - 1]?.group ? group : "";
    },
    optionId(index) {
      return index < 0 ? null : `${this.listId}-${index}`;
    },
    isChosen(option) {
      return this.chips().some((chip) => chip.value === option.value);
    },
    empty() {
      return this.open && !this.loading && !this.options.length && !config.free;
    },
    key(event) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) {
        event.preventDefault();
        this.show();
        this.active = Math.max(0, Math.min(this.options.length - 1, this.active + step));
        this.$nextTick(() => document.getElementById(this.optionId(this.active))?.scrollIntoView({ block: "nearest" }));
      } else if (event.key === "Enter") {
        event.preventDefault();
        if (this.open && this.options[this.active]) this.choose(this.options[this.active]);
        else if (config.free && this.query.trim()) this.take(this.query);
        else if (this.loading && this.query.trim()) this.isEntered = true;
      } else if (event.key === "Escape" && this.open) {
        event.stopPropagation();
        this.open = false;
        this.isEntered = false;
      } else if (event.key === "Backspace" && !this.query && this.chips().length) {
        config.remove(this.chips().at(-1).value);
      }
    },
  }));
});
