// Conditions on the properties of a custom event: templates/segments/_conditions.html draws them. A condition has the
// form of a small leaf ({property, type, operator, value}), so what draws a filter's value draws its value, too.
window.Segments = window.Segments || {};

window.Segments.conditionEditor = (data, texts) => {
  const { tree: trees } = Segments;
  const subjects = data.filters.map((one) => one.subject).filter((one) => one?.conditions);
  const { types = [], conditions = {}, mostConditions = 0 } = subjects[0] || {};

  return {
    isCondition: (leaf) => "property" in leaf,
    conditionTypes: () => types,
    conditionOperators: (condition) => conditions[condition.type] || [],
    eventBox(leaf) {
      const label = this.definition(leaf()).subject.label;
      // The properties of another event are others.
      const members = ({ value }) => (value === leaf().subject.name ? {} : { name: value, where: this.firstConditions(leaf()) });
      return this.subjectBox(leaf, "name", label, members);
    },
    propertyBox(condition, about) {
      const chosen = () => condition()?.property;
      return {
        label: texts.searchProperty,
        placeholder: texts.searchProperty,
        free: true,
        delay: 250,
        source: (query) => this.searchValues(about(), query, "property"),
        pick: ({ value, type }) => {
          condition().property = value;
          if (type && type !== condition().type) this.setType(condition(), type);
        },
        chips: () => (chosen() ? [{ value: chosen(), label: chosen() }] : []),
        remove: () => (condition().property = ""),
      };
    },
    setType(condition, type) {
      const operators = this.conditionOperators({ type });
      const key = operators.some((one) => one.key === condition.operator) ? condition.operator : operators[0].key;
      Object.assign(condition, trees.withOperatorOf(operators, { ...condition, type, operator: "", value: null }, key));
    },
    newCondition() {
      const type = types[0].value;
      return { property: "", type, operator: conditions[type][0].key, value: null };
    },
    firstConditions(leaf) {
      return this.definition(leaf).subject.needsConditions ? [this.newCondition()] : [];
    },
    mayAddCondition: (leaf) => Boolean(leaf.subject.name) && (leaf.subject.where || []).length < mostConditions,
    addCondition(leaf, button) {
      leaf.subject = { ...leaf.subject, where: [...(leaf.subject.where || []), this.newCondition()] };
      const all = button.closest(".seg-conditions");
      this.$nextTick(() => all.querySelector(".seg-condition:last-of-type input")?.focus());
    },
    removeCondition(leaf, number) {
      leaf.subject = { ...leaf.subject, where: leaf.subject.where.filter((_, place) => place !== number) };
    },
    // A value of several numbers: an emptied one is missing.
    setPart(leaf, part, text) {
      leaf.value = { ...leaf.value, [part.name]: text === "" ? null : Number(text) };
    },
  };
};
