// A list of ids for the filter "User Is In List": pasted or uploaded, kept on the server, named by its id in the filter.
document.addEventListener("alpine:init", () => {
  const { requests } = Segments;

  // Inside the filter editor, whose `labels`, `texts` and `listsUrl` it uses. `leaf` gives the filter.
  Alpine.data("segmentIdList", (leaf) => ({
    text: "",
    open: false,
    busy: false,
    error: "",
    // What the server says of how it read a file.
    note: "",

    start() {
      this.open = true;
      this.$nextTick(() => this.$refs.ids.focus());
    },
    paste() {
      return this.send(new Blob([this.text], { type: "text/plain" }), "");
    },
    async upload(field) {
      const file = field.files[0];
      if (!file) return;
      await this.send(file, file.name);
      // The same file can be chosen again, once it has been corrected.
      field.value = "";
    },
    async send(ids, name) {
      this.busy = true;
      this.error = "";
      this.note = "";
      const { status, data: answer } = await requests.postForm(this.listsUrl, { ids, name });
      this.busy = false;
      if (status === 200) this.take(answer);
      else this.error = answer?.errors?.[""] || (status ? this.texts.refused : this.texts.offline);
    },
    take({ id, label, note }) {
      const { filter } = leaf();
      this.labels[filter] = { ...this.labels[filter], [id]: label };
      leaf().value = id;
      this.text = "";
      this.note = note;
      this.open = false;
    },
  }));
});
