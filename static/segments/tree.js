// The filter tree in the browser: the same form as on the server (see segments/tree.py), and plain functions over it.
window.Segments = window.Segments || {};

window.Segments.tree = (() => {
  const newId = () => crypto.getRandomValues(new Uint32Array(2)).reduce((text, part) => text + part.toString(36), "n");
  const copy = (value) => JSON.parse(JSON.stringify(value));
  // Which of the filter's sets of comparisons the leaf has: its subject may decide it.
  const kindOf = (definition, leaf) => leaf.subject?.[definition.subject?.decides] || "";
  const operatorsOf = (definition, leaf) => definition?.operators[kindOf(definition, leaf)] || [];

  // A new leaf of a filter: about nothing yet, its first comparison, without a value.
  function newLeaf(definition) {
    const leaf = { id: newId(), filter: definition.key, operator: "", value: null };
    if (definition.subject) return withSubject({ ...leaf, subject: copy(definition.subject.empty) }, definition, {});
    return withOperator(leaf, definition, operatorsOf(definition, leaf)[0].key);
  }

  // The leaf with another comparison; its value stays where the new comparison can take it.
  const withOperator = (leaf, definition, key) => withOperatorOf(operatorsOf(definition, leaf), leaf, key);

  function withOperatorOf(operators, leaf, key) {
    const before = operators.find((one) => one.key === leaf.operator)?.widget;
    const now = operators.find((one) => one.key === key);
    return { ...leaf, operator: key, value: converted(leaf.value, before, now) };
  }

  function converted(value, before, now) {
    if (before === now.widget && value !== null) return value;
    if (before === "text" && now.widget === "texts") return value ? [value] : null;
    if (before === "texts" && now.widget === "text") return value?.[0] ?? null;
    return now.widget === "choice" ? now.options[0].value : null;
  }

  // The leaf with other members of its subject. Where these decide the comparisons, the value stays only if they stay.
  function withSubject(leaf, definition, members) {
    const chosen = { ...leaf, subject: { ...leaf.subject, ...members } };
    const operators = operatorsOf(definition, chosen);
    if (!operators.length) return { ...chosen, operator: "", value: null };
    const key = operators.some((one) => one.key === leaf.operator) ? leaf.operator : operators[0].key;
    const same = kindOf(definition, leaf) === kindOf(definition, chosen);
    return withOperator({ ...chosen, value: same ? leaf.value : null }, definition, key);
  }

  // What is sent: no empty rows or groups, and an emptied field is null.
  function toSend(tree) {
    const leaf = (one) => ({ ...one, value: one.value === "" || one.value?.length === 0 ? null : one.value });
    const rows = (list) =>
      list.filter((row) => row.filters.length).map((row) => ({ ...row, filters: row.filters.map(leaf) }));
    const groups = tree.exclude.map((group) => ({ ...group, rows: rows(group.rows) }));
    return { apps: tree.apps, rows: rows(tree.rows), exclude: groups.filter((group) => group.rows.length) };
  }

  // Moves the item at `from` to `to`; nothing happens at the ends.
  function move(list, from, to) {
    if (from < 0 || to < 0 || to >= list.length) return false;
    list.splice(to, 0, ...list.splice(from, 1));
    return true;
  }

  return { newId, copy, operatorsOf, newLeaf, withOperatorOf, withSubject, toSend, move };
})();
