// A draft over something that is saved: its name, description and tags, Save and Revert, the guard against leaving, and what
// the second of two people who save is told. A page spreads it into its Alpine component beside the filter editor.
//   object                    what is saved, with its version and `fields`
//   fields                    the parts that a person edits; "filters" is a filter tree
//   url                       where it is saved: 200 what is saved now, 409 {conflict}, 400 {errors} or {problems}
// templates/segments/_naming.html, _tags.html and _draft_dialogs.html draw it.
window.Segments.draftEditor = (object, fields, url, texts, knownTags) => {
  const { tree: trees, requests } = Segments;
  const contentOf = (given) => trees.copy(Object.fromEntries(fields.map((name) => [name, given[name]])));
  const toSend = (draft) => ({ ...draft, filters: trees.toSend(draft.filters) });

  return {
    texts,
    version: object.version,
    saved: contentOf(object),
    draft: contentOf(object),
    knownTags,
    newTag: "",
    naming: false,
    saving: false,
    notice: "",
    errors: {},
    conflict: null,

    startGuard() {
      window.addEventListener("beforeunload", (event) => this.isChanged() && event.preventDefault());
    },
    isChanged() {
      const comparable = (draft) => JSON.stringify(toSend(draft));
      return comparable(this.draft) !== comparable(this.saved);
    },
    revert() {
      this.draft = trees.copy(this.saved);
      this.errors = {};
      this.marked = [];
      this.notice = "";
      this.naming = false;
    },
    replaceDraft(given, notice) {
      this.draft = contentOf(given);
      this.notice = notice;
    },
    async save(version = this.version) {
      if (this.saving) return;
      this.saving = true;
      this.errors = {};
      this.marked = [];
      this.notice = "";
      const { status, data: answer } = await requests.post(url, { ...toSend(this.draft), version });
      this.saving = false;
      if (status === 200) this.showSaved(answer);
      else if (status === 409) this.showConflict(answer.conflict);
      else this.showRefusal(status, answer);
    },
    showSaved(answer) {
      this.version = answer.version;
      this.saved = contentOf(answer);
      this.draft = contentOf(answer);
      this.naming = false;
      this.notice = texts.saved;
      this.recalculate();
    },
    showConflict(conflict) {
      this.conflict = conflict;
      document.getElementById("draft-conflict").showModal();
    },
    showRefusal(status, answer) {
      this.errors = answer?.errors || {};
      if (answer?.problems) {
        // What was only unfinished while editing keeps the draft from being saved: it is marked now.
        this.marked = answer.problems.map((one) => one.leaf);
        this.showProblems(answer.problems);
        this.errors[""] = texts.unfinished;
      }
      if (this.errors.name || this.errors.description) this.naming = true;
      if (!answer?.problems && !answer?.errors) this.errors = { "": status ? texts.refused : texts.offline };
      const scroll = () => {
        const alerts = [...document.querySelectorAll(".seg [role=alert]")];
        alerts.find((one) => one.checkVisibility())?.scrollIntoView({ block: "center" });
      };
      // Alpine's x-show shows at the next frame: this comes after it, in the same one.
      this.$nextTick(() => requestAnimationFrame(scroll));
    },
    takeTheirs() {
      this.draft = trees.copy(this.saved);
      window.location.reload();
    },
    async saveOverTheirs() {
      document.getElementById("draft-conflict").close();
      await this.save(this.conflict.version);
    },

    startNaming() {
      this.naming = true;
      this.$nextTick(() => document.getElementById("draft-name").select());
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
  };
};
