// One filter of the editor: what it is about, how it compares, its value. templates/segments/_leaf.html draws it, and
// _subject.html what it is about. Spread into the component, see filters.js.
window.Segments = window.Segments || {};

window.Segments.leafEditor = (data, texts) => {
  const { tree: trees, requests } = Segments;
  const DELAY = 250;
  const language = document.documentElement.lang;
  const subjectsOf = (leaf) => `${leaf.filter}/subject`;

  return {
    definition: (leaf) => data.filters.find((one) => one.key === leaf.filter),
    operators(leaf) {
      return this.isCondition(leaf) ? this.conditionOperators(leaf) : trees.operatorsOf(this.definition(leaf), leaf);
    },
    operator(leaf) {
      return this.operators(leaf).find((one) => one.key === leaf.operator);
    },
    widget(leaf) {
      return this.operator(leaf)?.widget || "none";
    },
    setOperator(leaf, key) {
      Object.assign(leaf, trees.withOperatorOf(this.operators(leaf), leaf, key));
    },

    // --- What it is about ----------------------------------------------------------------------------------------------
    subjectWidget(leaf) {
      return this.definition(leaf)?.subject?.widget || "";
    },
    setSubject(leaf, members) {
      Object.assign(leaf, trees.withSubject(leaf, this.definition(leaf), members));
    },
    // A box for one member of the subject. Boxes outlive the objects that they are about (Revert puts others in their
    // place), so they get a function for them. `members(option)` is what choosing sets, `more` is for the box itself.
    subjectBox(leaf, member, label, members = (option) => ({ [member]: option.value }), more = {}) {
      const chosen = () => leaf().subject?.[member];
      return {
        label,
        placeholder: label,
        delay: DELAY,
        source: (query) => this.searchValues(leaf(), query, member),
        pick: (option) => {
          this.nameSubject(leaf(), option);
          this.setSubject(leaf(), members(option));
          this.focusNext(leaf());
        },
        chips: () => (chosen() ? [{ value: chosen(), label: this.subjectLabel(leaf(), chosen()) }] : []),
        remove: () => this.setSubject(leaf(), { [member]: "" }),
        ...more,
      };
    },
    attributeBox(leaf) {
      return this.subjectBox(leaf, "name", texts.searchAttribute, ({ value, type }) => ({ name: value, type }));
    },
    oneBox(leaf) {
      const { member, label } = this.definition(leaf()).subject;
      return this.subjectBox(leaf, member, label);
    },
    // Another attribute has other paths.
    nestedBox(leaf) {
      return this.subjectBox(leaf, "name", texts.searchAttribute, ({ value }) => ({ name: value, path: "" }));
    },
    // The path to a value inside the attribute: one that some users' values have, which tells its type, or a typed one.
    pathBox(leaf) {
      const members = ({ value, type }) => (type ? { path: value, type } : { path: value });
      return this.subjectBox(leaf, "path", texts.enterPath, members, { free: true });
    },
    nameSubject(leaf, option) {
      this.labels[subjectsOf(leaf)] = { ...this.labels[subjectsOf(leaf)], [option.value]: option.label };
    },
    subjectLabel(leaf, value) {
      return this.labels[subjectsOf(leaf)]?.[value] || value;
    },

    // --- Its value -----------------------------------------------------------------------------------------------------
    valueBox(leaf) {
      const isSearch = this.widget(leaf()) === "search";
      const chosen = () => (Array.isArray(leaf().value) ? leaf().value : []);
      return {
        label: isSearch ? texts.searchValue : texts.enterValues,
        placeholder: isSearch ? texts.searchValue : texts.enterValues,
        free: !isSearch,
        delay: DELAY,
        source: async (query) => (isSearch || this.offers(leaf()) ? this.searchValues(leaf(), query) : []),
        pick: (option) => this.toggleValue(leaf(), option),
        chips: () => chosen().map((value) => ({ value, label: this.label(leaf(), value) })),
        remove: (value) => (leaf().value = chosen().filter((one) => one !== value)),
      };
    },
    // What the filter offers as its value, or for a member of its subject.
    async searchValues(leaf, query, member = "") {
      const asked = { filter: leaf.filter, q: query, member, subject: leaf.subject ? JSON.stringify(leaf.subject) : "" };
      const { data: answer } = await requests.get(data.urls.values, asked);
      return answer?.values || [];
    },
    toggleValue(leaf, option) {
      const chosen = Array.isArray(leaf.value) ? leaf.value : [];
      if (leaf.filter) this.labels[leaf.filter] = { ...this.labels[leaf.filter], [option.value]: option.label };
      leaf.value = chosen.includes(option.value)
        ? chosen.filter((one) => one !== option.value)
        : [...chosen, option.value];
    },
    label(leaf, value) {
      return this.labels[leaf.filter]?.[value] || value;
    },
    // Values that users have, where one text can be typed: by leaf, what the field offers.
    offered: {},
    offers(leaf) {
      return Boolean(this.definition(leaf)?.offers);
    },
    async offer(leaf) {
      if (!this.offers(leaf)) return;
      const found = await this.searchValues(leaf, leaf.value || "");
      this.offered[leaf.id] = found.map((one) => one.value);
    },
    // A day of the year, MM-DD, in two fields.
    months: Array.from({ length: 12 }, (_none, month) => ({
      value: String(month + 1).padStart(2, "0"),
      label: new Intl.DateTimeFormat(language, { month: "long", timeZone: "UTC" }).format(Date.UTC(2000, month)),
    })),
    daysOf(month) {
      // Not the 29th of February: it counts as the day after.
      const count = month === "02" ? 28 : new Date(Date.UTC(2001, Number(month || 1), 0)).getUTCDate();
      return Array.from({ length: count }, (_none, day) => String(day + 1).padStart(2, "0"));
    },
    dayPart: (leaf, place) => (leaf.value || "").split("-")[place] || "",
    setDay(leaf, month, day) {
      if (!month) leaf.value = null;
      else leaf.value = `${month}-${this.daysOf(month).includes(day) ? day : "01"}`;
    },
  };
};
