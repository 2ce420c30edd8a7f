// The editor of a campaign or a Canvas: an Alpine component over one draft. templates/messaging/editor.html shows it; the
// filters and what a draft needs are those of segments (static/segments/filters.js, draft.js).
document.addEventListener("alpine:init", () => {
  const { tree: trees, requests } = Segments;
  const DELAY = 250;
  const FIELDS = ["name", "description", "tags", "messages", "include", "exclude", "filters"];
  const read = (id) => JSON.parse(document.getElementById(id).textContent);

  Alpine.data("engagementEditor", () => {
    const data = read("engagement-editor");
    const texts = read("engagement-texts");
    const numbers = new Intl.NumberFormat(document.documentElement.lang);
    const drafts = Segments.draftEditor(data.object, FIELDS, data.urls.save, texts, data.tags);
    const asked = () => data.steps.find((stage) => window.location.hash === `#${stage}`);

    return {
      ...drafts,
      ...Segments.filterEditor(data, texts),
      oncePerChannel: data.oncePerChannel,
      segmentNames: data.segmentNames,
      stage: asked() || data.steps[0],

      init() {
        this.startCounting();
        this.startGuard();
        window.addEventListener("hashchange", () => (this.stage = asked() || this.stage));
        for (const side of ["include", "exclude"]) this.$watch(`draft.${side}`, () => this.recalculate());
      },
      question(more = {}) {
        const { include, exclude, filters } = this.draft;
        return { ...more, draft: data.pk, include, exclude, filters: trees.toSend(filters) };
      },

      // --- Stages: Braze's steps -------------------------------------------------------------------------------------------------------
      go(stage) {
        this.stage = stage;
        window.history.replaceState(null, "", `#${stage}`);
      },
      // Whether something of a step keeps the draft from being saved, or its audience from being counted.
      isMarked(stage) {
        if (stage === "target") return this.problems.some((one) => !one.unfinished);
        return Object.keys(this.errors).some((key) => key.startsWith("messages"));
      },
      showRefusal(status, answer) {
        drafts.showRefusal.call(this, status, answer);
        if (this.isMarked("compose")) {
          this.errors[""] = texts.wrong;
          this.go("compose");
        } else if (answer?.problems) this.go("target");
      },

      // --- Messages ----------------------------------------------------------------------------------------------------
      channel: (message) => data.channels.find((one) => one.key === message.channel),
      isUsed(key) {
        return this.draft.messages.some((one) => one.channel === key);
      },
      freeChannels() {
        return data.channels.filter((one) => !this.oncePerChannel || !this.isUsed(one.key));
      },
      addMessage(channel) {
        const parts = Object.fromEntries(channel.parts.map((part) => [part.key, part.options[0] || ""]));
        const message = { id: trees.newId(), name: channel.name, channel: channel.key, parts };
        this.draft.messages.push(message);
        this.$nextTick(() => document.querySelector(`#message-${message.id} :is(input, textarea)`)?.focus());
      },
      removeMessage(message) {
        this.draft.messages = this.draft.messages.filter((one) => one.id !== message.id);
        this.forgetFaults();
      },
      moveMessage(place, step) {
        const { id } = this.draft.messages[place];
        if (!trees.move(this.draft.messages, place, place + step)) return;
        this.forgetFaults();
        this.notice = this.say("movedStep", { step: place + 1 + step, steps: this.draft.messages.length });
        this.$nextTick(() => document.querySelector(`#message-${id} .msg-actions button:enabled`)?.focus());
      },
      fault(place, key) {
        return this.errors[`messages.${place}.${key}`];
      },
      // What the server said is about places, and these are others now.
      forgetFaults() {
        this.errors = {};
      },

      // --- Audience ----------------------------------------------------------------------------------------------------
      segmentBox(side) {
        const chosen = () => this.draft[side];
        return {
          label: texts[side],
          placeholder: texts.searchSegment,
          delay: DELAY,
          source: async (query) => (await requests.get(data.urls.segments, { q: query })).data?.values || [],
          pick: ({ value, label }) => {
            this.segmentNames[value] = label;
            this.draft[side] = chosen().includes(value) ? chosen().filter((one) => one !== value) : [...chosen(), value];
          },
          chips: () => chosen().map((value) => ({ value, label: this.segmentNames[value] || value })),
          remove: (value) => (this.draft[side] = chosen().filter((one) => one !== value)),
        };
      },
      segmentProblems(side) {
        return this.problems.filter((one) => one.leaf.startsWith(`${side}:`));
      },
      // Who is left after the segments of that side.
      afterSegments(side) {
        return this.step(`${side}:${this.draft[side].at(-1)}`);
      },
      reach() {
        const found = this.statistics?.channels || {};
        return data.reach.map(({ key, name }) => ({ key, name, users: found[key] }));
      },
      count(users, exact = true) {
        if (users === null || users === undefined) return "–";
        return `${exact ? "" : "≈ "}${numbers.format(users)}`;
      },
    };
  });
});
