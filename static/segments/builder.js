// The segment builder: an Alpine component over one draft. What it shows and asks is in templates/segments/builder.html.
document.addEventListener("alpine:init", () => {
  const { tree: trees, requests } = Segments;
  const DELAY = 250;
  const read = (id) => JSON.parse(document.getElementById(id).textContent);

  Alpine.data("segmentBuilder", () => {
    const data = read("segment-builder");
    const texts = read("segment-texts");
    const language = document.documentElement.lang;
    const numbers = new Intl.NumberFormat(language);
    const shares = new Intl.NumberFormat(language, { style: "percent", minimumFractionDigits: 2, maximumFractionDigits: 2 });
    const draftOf = (segment) =>
      trees.copy({ name: segment.name, description: segment.description, tags: segment.tags, filters: segment.filters });

    return {
      texts,
      editable: data.editable,
      apps: data.apps,
      knownTags: data.tags,
      labels: data.labels,
      version: data.segment.version,
      saved: draftOf(data.segment),
      draft: draftOf(data.segment),
      naming: false,
      newTag: "",
      orRow: "",
      dragged: null,
      saving: false,
      notice: "",
      errors: {},
      problems: [],
      statistics: null,
      calculating: true,
      expanded: false,
      conflict: null,

      init() {
        const work = () => requests.post(data.urls.statistics, this.question({ channels: this.expanded, segment: data.segment.pk }));
        this.calculate = requests.latest(DELAY, work, (answer) => this.showStatistics(answer));
        this.$watch("draft.filters", () => this.recalculate());
        this.recalculate();
        window.addEventListener("beforeunload", (event) => this.isChanged() && event.preventDefault());
      },

      // --- The draft ---------------------------------------------------------------------------------------------------
      isChanged() {
        const comparable = (draft) => JSON.stringify({ ...draft, filters: trees.toSend(draft.filters) });
        return comparable(this.draft) !== comparable(this.saved);
      },
      question(more = {}) {
        return { filters: trees.toSend(this.draft.filters), ...more };
      },
      say(name, values = {}) {
        return Object.entries(values).reduce((text, [key, value]) => text.replaceAll(`{${key}}`, value), texts[name]);
      },
      revert() {
        this.draft = trees.copy(this.saved);
        this.errors = {};
        this.notice = "";
        this.naming = false;
      },
      async save(version = this.version) {
        if (this.saving) return;
        this.saving = true;
        this.errors = {};
        this.notice = "";
        const { status, data: answer } = await requests.post(data.urls.save, { ...this.draft, ...this.question({ version }) });
        this.saving = false;
        if (status === 200) this.showSaved(answer);
        else if (status === 409) this.showConflict(answer.conflict);
        else this.showRefusal(status, answer);
      },
      showSaved(answer) {
        this.version = answer.version;
        this.saved = draftOf(answer);
        this.draft = draftOf(answer);
        this.naming = false;
        this.notice = texts.saved;
        this.recalculate();
      },
      showConflict(conflict) {
        this.conflict = conflict;
        document.getElementById("segment-conflict").showModal();
      },
      showRefusal(status, answer) {
        this.errors = answer?.errors || {};
        if (answer?.problems) {
          // What was only unfinished while editing keeps the segment from being saved: it is marked now.
          this.problems = answer.problems.map((one) => ({ ...one, unfinished: false }));
          this.errors[""] = texts.unfinished;
        }
        if (this.errors.name || this.errors.description) this.naming = true;
        if (!answer?.problems && !answer?.errors) this.errors = { "": status ? texts.refused : texts.offline };
        this.$nextTick(() => document.querySelector(".seg [role=alert]")?.scrollIntoView({ block: "center" }));
      },
      takeTheirs() {
        this.draft = trees.copy(this.saved);
        window.location.reload();
      },
      async saveOverTheirs() {
        document.getElementById("segment-conflict").close();
        await this.save(this.conflict.version);
      },

      // --- Name, tags, apps --------------------------------------------------------------------------------------------
      startNaming() {
        this.naming = true;
        this.$nextTick(() => document.getElementById("segment-name").select());
      },
      toggleTag(tag) {
        const tags = this.draft.tags;
        this.draft.tags = tags.includes(tag) ? tags.filter((one) => one !== tag) : [...tags, tag];
      },
      addTag() {
        const tag = this.newTag.trim();
        if (!tag) return;
        if (!this.knownTags.includes(tag)) this.knownTags.push(tag);
        if (!this.draft.tags.includes(tag)) this.draft.tags.push(tag);
        this.newTag = "";
      },
      setAllApps(all) {
        this.draft.filters.apps = all ? null : [];
      },
      toggleApp(id) {
        const chosen = this.draft.filters.apps;
        this.draft.filters.apps = chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id];
      },

      // --- Rows and filters ----------------------------------------------------------------------------------------------
      blocks() {
        const { rows, exclude } = this.draft.filters;
        return [{ id: "include", rows, group: null }, ...exclude.map((group) => ({ id: group.id, rows: group.rows, group }))];
      },
      definition: (leaf) => data.filters.find((one) => one.key === leaf.filter),
      operators(leaf) {
        return trees.operatorsOf(this.definition(leaf), leaf);
      },
      operator(leaf) {
        return this.operators(leaf).find((one) => one.key === leaf.operator);
      },
      widget(leaf) {
        return this.operator(leaf)?.widget || "none";
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
      attributeBox(leaf) {
        return {
          label: texts.searchAttribute,
          placeholder: texts.searchAttribute,
          delay: DELAY,
          source: (query) => this.searchValues(leaf(), query),
          pick: ({ value, type }) => Object.assign(leaf(), trees.withAttribute(leaf(), this.definition(leaf()), value, type)),
          chips: () => (leaf().attribute ? [{ value: leaf().attribute, label: leaf().attribute }] : []),
          remove: () => (leaf().attribute = ""),
        };
      },
      valueBox(leaf) {
        const isSearch = this.widget(leaf()) === "search";
        const chosen = () => (Array.isArray(leaf().value) ? leaf().value : []);
        return {
          label: isSearch ? texts.searchValue : texts.enterValues,
          placeholder: isSearch ? texts.searchValue : texts.enterValues,
          free: !isSearch,
          delay: DELAY,
          source: async (query) => (isSearch ? this.searchValues(leaf(), query) : []),
          pick: (option) => this.toggleValue(leaf(), option),
          chips: () => chosen().map((value) => ({ value, label: this.label(leaf(), value) })),
          remove: (value) => (leaf().value = chosen().filter((one) => one !== value)),
        };
      },
      async searchValues(leaf, query) {
        const { data: answer } = await requests.get(data.urls.values, { filter: leaf.filter, q: query });
        return answer?.values || [];
      },
      toggleValue(leaf, option) {
        const chosen = Array.isArray(leaf.value) ? leaf.value : [];
        this.labels[leaf.filter] = { ...this.labels[leaf.filter], [option.value]: option.label };
        leaf.value = chosen.includes(option.value)
          ? chosen.filter((one) => one !== option.value)
          : [...chosen, option.value];
      },
      label(leaf, value) {
        return this.labels[leaf.filter]?.[value] || value;
      },
      setOperator(leaf, key) {
        Object.assign(leaf, trees.withOperator(leaf, this.definition(leaf), key));
      },
      removeLeaf(block, row, leaf) {
        row.filters = row.filters.filter((one) => one.id !== leaf.id);
        if (!row.filters.length) block.rows.splice(block.rows.indexOf(row), 1);
      },
      addGroup() {
        this.draft.filters.exclude.push({ id: trees.newId(), rows: [] });
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
      showStatistics({ status, data: answer }) {
        this.calculating = false;
        if (status === 200) {
          this.statistics = answer;
          this.problems = answer.problems;
        } else this.errors = { "": status ? texts.refused : texts.offline };
      },
      toggleExpanded() {
        this.expanded = !this.expanded;
        this.recalculate();
      },
      step(id) {
        return this.statistics?.rows[id] || { users: null, channels: null };
      },
      total(users) {
        return this.say("total", { count: users === null || users === undefined ? "–" : numbers.format(users) });
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

      // --- Dialogs -------------------------------------------------------------------------------------------------------
      changes: null,
      async openHistory() {
        this.changes = null;
        document.getElementById("segment-history").showModal();
        const { data: answer } = await requests.get(data.urls.history);
        this.changes = answer?.changes || [];
        for (const [key, found] of Object.entries(answer?.labels || {})) this.labels[key] = { ...this.labels[key], ...found };
      },
      restore(change) {
        if (this.isChanged() && !window.confirm(texts.restoreAsks)) return;
        this.draft = draftOf(change);
        this.notice = this.say("restored", { version: change.version });
        document.getElementById("segment-history").close();
      },
      users: null,
      usersError: "",
      userQuery: "",
      openPreview() {
        this.userQuery = "";
        document.getElementById("segment-preview").showModal();
        this.findUsers();
      },
      findUsers() {
        this.askUsers ??= requests.latest(
          DELAY,
          () => requests.post(data.urls.preview, this.question({ q: this.userQuery })),
          ({ status, data: answer }) => {
            this.users = status === 200 ? answer : null;
            const said = (answer?.problems || []).map((one) => one.text).join(" ");
            this.usersError = status === 200 ? "" : said || texts.refused;
          },
        );
        this.askUsers();
      },
    };
  });
});
