// The segment builder: an Alpine component over one draft. What it shows and asks is in templates/segments/builder.html.
document.addEventListener("alpine:init", () => {
  const { tree: trees, requests } = Segments;
  const DELAY = 250;
  const FIELDS = ["name", "description", "tags", "filters"];
  const read = (id) => JSON.parse(document.getElementById(id).textContent);

  Alpine.data("segmentBuilder", () => {
    const data = read("segment-builder");
    const texts = read("segment-texts");

    return {
      ...Segments.draftEditor(data.segment, FIELDS, data.urls.save, texts, data.tags),
      ...Segments.filterEditor(data, texts),
      apps: data.apps,

      init() {
        this.startCounting();
        this.startGuard();
      },
      question(more = {}) {
        return { filters: trees.toSend(this.draft.filters), segment: data.segment.pk, ...more };
      },

      // --- Apps --------------------------------------------------------------------------------------------------------
      setAllApps(all) {
        this.draft.filters.apps = all ? null : [];
      },
      toggleApp(id) {
        const chosen = this.draft.filters.apps;
        this.draft.filters.apps = chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id];
      },

      // --- Dialogs -------------------------------------------------------------------------------------------------------
      changes: null,
      seen: data.seen,
      async openHistory() {
        this.changes = null;
        document.getElementById("segment-history").showModal();
        const { data: answer } = await requests.get(data.urls.history);
        this.changes = answer?.changes || [];
        for (const [key, found] of Object.entries(answer?.labels || {})) this.labels[key] = { ...this.labels[key], ...found };
      },
      restore(change) {
        if (this.isChanged() && !window.confirm(texts.restoreAsks)) return;
        this.replaceDraft(change, this.say("restored", { version: change.version }));
        document.getElementById("segment-history").close();
      },
      users: null,
      explained: null,
      usersError: "",
      userQuery: "",
      openPreview() {
        this.userQuery = "";
        this.explained = null;
        document.getElementById("segment-preview").showModal();
        this.findUsers();
      },
      async explain(user) {
        if (this.explained?.pk === user.pk) {
          this.explained = null;
          return;
        }
        this.explained = { pk: user.pk, html: "" };
        const { status, text } = await requests.postForText(data.urls.explain, this.question({ user: user.pk }));
        if (this.explained?.pk !== user.pk) return;
        this.explained = status === 200 ? { pk: user.pk, html: text } : null;
        this.usersError = status === 200 ? "" : texts.refused;
      },
      findUsers() {
        this.askUsers ??= requests.latest(
          DELAY,
          () => requests.post(data.urls.preview, this.question({ q: this.userQuery })),
          ({ status, data: answer }) => {
            this.users = status === 200 ? answer : null;
            const said = (answer?.problems || []).map((one) => one.text).join(" ");
            this.usersError = status === 200 ? "" : said || answer?.errors?.[""] || texts.refused;
          },
        );
        this.askUsers();
      },
    };
  });
});
