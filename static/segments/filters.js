// The filter editor: rows, filters, exclusion groups and their numbers. A page with a draft that holds a filter tree spreads
// it into its Alpine component; templates/segments/_filters.html draws it. The page has
//   draft.filters             the tree (see segments/tree.py)
//   question(more)            what is sent to have it counted
//   errors, notice            where what went wrong and what has been done is said (errors[""] is about everything)
// and calls startCounting() once.
//   data                      {editable, filters, labels, urls: {statistics, values}} (see segments.builder.editor_data)
//   texts                     segments.texts.editor_texts
window.Segments.filterEditor = (data, texts) => {
  const { tree: trees, requests } = Segments;
  const DELAY = 250;
  const language = document.documentElement.lang;
  const numbers = new Intl.NumberFormat(language);
  const shares = new Intl.NumberFormat(language, { style: "percent", minimumFractionDigits: 2, maximumFractionDigits: 2 });

  return {
    ...Segments.leafEditor(data, texts),
    ...Segments.conditionEditor(data, texts),
    editable: data.editable,
    labels: data.labels,
    listsUrl: data.lists,
    orRow: "",
    dragged: null,
    problems: [],
    // The filters that kept the draft from being saved: they stay marked until the next try, whatever is counted meanwhile.
    marked: [],
    statistics: null,
    calculating: true,
    // Whether the next question asks for everything to be found anew.
    fresh: false,
    expanded: false,

    startCounting() {
      this.calculate = requests.latest(DELAY, () => this.answers(), (answer) => this.showStatistics(answer));
      this.$watch("draft.filters", () => this.recalculate());
      this.recalculate();
    },
    say(name, values = {}) {
      return Object.entries(values).reduce((text, [key, value]) => text.replaceAll(`{${key}}`, value), texts[name]);
    },

    // --- Rows and filters ----------------------------------------------------------------------------------------------
    blocks() {
      const { rows, exclude } = this.draft.filters;
      return [{ id: "include", rows, group: null }, ...exclude.map((group) => ({ id: group.id, rows: group.rows, group }))];
    },
    filterBox(label, pick) {
      return {
        label,
        placeholder: texts.selectFilter,
        source: async (query) => {
          const wanted = query.trim().toLowerCase();
          const found = data.filters.filter((one) => `${one.group} ${one.name}`.toLowerCase().includes(wanted));
          const groups = [...new Set(data.filters.map((one) => one.group))];
          found.sort((one, other) => groups.indexOf(one.group) - groups.indexOf(other.group));
          return found.map((one) => ({ value: one.key, label: one.name, group: one.group }));
        },
        pick: (option) => pick(trees.newLeaf(data.filters.find((one) => one.key === option.value))),
      };
    },
    // Boxes outlive the objects that they are about (Revert puts others in their place), so they get a function for them.
    addBox(block) {
      return this.filterBox(texts.addFilter, (leaf) => {
        block().rows.push({ id: trees.newId(), filters: [leaf] });
        this.focusLeaf(leaf);
      });
    },
    orBox(row) {
      return this.filterBox(texts.addOrFilter, (leaf) => {
        row().filters.push(leaf);
        this.orRow = "";
        this.focusLeaf(leaf);
      });
    },
    focusLeaf(leaf) {
      this.$nextTick(() => document.querySelector(`#leaf-${leaf.id} :is(input, select)`)?.focus());
    },
    // On to what is still to be said of the filter, for who has just chosen in one of its boxes.
    focusNext(leaf) {
      const from = document.activeElement;
      this.$nextTick(() => {
        const fields = [...document.querySelectorAll(`#leaf-${leaf.id} :is(input, select)`)];
        if (fields.includes(from)) fields[fields.indexOf(from) + 1]?.focus();
      });
    },
    removeLeaf(block, row, leaf) {
      row.filters = row.filters.filter((one) => one.id !== leaf.id);
      if (!row.filters.length) block.rows.splice(block.rows.indexOf(row), 1);
    },
    addGroup() {
      this.draft.filters.exclude.push({ id: trees.newId(), rows: [] });
      this.$nextTick(() => [...document.querySelectorAll(".seg-row--add input")].at(-1)?.focus());
    },
    removeGroup(group) {
      this.draft.filters.exclude = this.draft.filters.exclude.filter((one) => one.id !== group.id);
    },

    // --- Order ---------------------------------------------------------------------------------------------------------
    moveRow(block, index, step, event) {
      const id = block.rows[index].id;
      if (!trees.move(block.rows, index, index + step)) return;
      this.notice = this.say("moved", { row: index + 1 + step, rows: block.rows.length });
      this.$nextTick(() => document.getElementById(`handle-${id}`)?.focus());
      event.preventDefault();
    },
    dragStart(block, row, event) {
      this.dragged = { block: block.id, id: row.id };
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", row.id);
      const element = event.target.closest(".seg-row");
      event.dataTransfer.setDragImage(element, 20, 20);
    },
    // A finger does not start the browser's own dragging.
    touchMove(block, row, event) {
      if (!this.editable) return;
      this.dragged = { block: block.id, id: row.id };
      const { clientX, clientY } = event.touches[0];
      const under = document.elementFromPoint(clientX, clientY)?.closest("[data-row]");
      const place = (id) => block.rows.findIndex((one) => one.id === id);
      if (place(under?.dataset.row) >= 0) trees.move(block.rows, place(row.id), place(under.dataset.row));
    },
    dragOver(block, index, event) {
      if (this.dragged?.block !== block.id) return;
      event.preventDefault();
      const from = block.rows.findIndex((row) => row.id === this.dragged.id);
      if (from !== index) trees.move(block.rows, from, index);
    },

    // --- Numbers -------------------------------------------------------------------------------------------------------
    recalculate() {
      this.calculating = true;
      this.calculate();
    },
    refresh() {
      this.fresh = true;
      this.recalculate();
    },
    // First what can be said at once, with estimates for what takes longer; then, if there are any, the exact numbers.
    async *answers() {
      const ask = (how) => requests.post(data.urls.statistics, this.question({ channels: this.expanded, ...how }));
      const fresh = this.fresh;
      this.fresh = false;
      const first = await ask(fresh ? { fresh } : { quick: true });
      yield first;
      if (first.status === 200 && !first.data.exact) yield ask({});
    },
    showStatistics({ status, data: answer }) {
      this.calculating = status === 200 && !answer.exact;
      if (status === 200) {
        this.statistics = answer;
        this.showProblems(answer.problems);
      } else this.errors = { "": answer?.errors?.[""] || (status ? texts.refused : texts.offline) };
    },
    showProblems(problems) {
      this.problems = problems.map((one) => (this.marked.includes(one.leaf) ? { ...one, unfinished: false } : one));
    },
    toggleExpanded() {
      this.expanded = !this.expanded;
      this.recalculate();
    },
    step(id) {
      return this.statistics?.rows[id] || { users: null, exact: true, channels: null };
    },
    total(users, exact = true) {
      if (users === null || users === undefined) return this.say("total", { count: "–" });
      return this.say(exact ? "total" : "estimatedTotal", { count: numbers.format(users) });
    },
    // What an estimated filter matches by itself, while its exact number is on its way.
    estimateOf(leaf) {
      const users = this.statistics?.estimates?.[leaf.id];
      return users === undefined ? "" : this.say("estimate", { count: numbers.format(users) });
    },
    share(users) {
      return users === null || users === undefined ? "" : `(${shares.format(this.ratio(users))})`;
    },
    ratio(users) {
      return users && this.statistics?.live ? users / this.statistics.live : 0;
    },
    channelLines(channels) {
      return Object.entries(channels || {}).map(([name, users]) => ({
        name,
        text: this.say("channel", { channel: texts.channels[name], count: numbers.format(users) }),
        users,
      }));
    },
    problemOf(leaf) {
      return this.problems.find((one) => one.leaf === leaf.id);
    },
    generalProblems() {
      return this.problems.filter((one) => !one.leaf);
    },
    waitingText() {
      return this.statistics?.waiting ? this.say("waiting", { count: numbers.format(this.statistics.waiting) }) : "";
    },
  };
};
