// Talking to the server. Every answer is {status, data}; a connection that fails is status 0.
window.Segments = window.Segments || {};

window.Segments.requests = (() => {
  const token = () => document.querySelector("[name=csrfmiddlewaretoken]").value;

  async function ask(url, options) {
    const answer = await fetch(url, { credentials: "same-origin", ...options }).catch(() => null);
    if (!answer) return { status: 0, data: null };
    return { status: answer.status, data: await answer.json().catch(() => null) };
  }

  // Like `post`, where the answer is a piece of the page: {status, text}.
  async function postForText(url, data) {
    const answer = await fetch(url, { credentials: "same-origin", ...posted(data) }).catch(() => null);
    return { status: answer?.status || 0, text: answer ? await answer.text() : "" };
  }

  const get = (url, query = {}) => ask(`${url}?${new URLSearchParams(query)}`);
  const posted = (data) => ({
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": token() },
    body: JSON.stringify(data),
  });
  const post = (url, data) => ask(url, posted(data));
  // A form with files, from its fields.
  const postForm = (url, fields) => {
    const body = new FormData();
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    return ask(url, { method: "POST", headers: { "X-CSRFToken": token() }, body });
  };

  // Calls `work` once things have been quiet for `delay` ms. It gives a promise of an answer, or is an async generator of
  // several. Answers are numbered by their questions: only those to the latest question reach `done`, whatever order they
  // arrive in, and nothing more is asked for a question that is not the latest any more.
  function latest(delay, work, done) {
    let timer = null;
    let asked = 0;
    return () => {
      const number = ++asked;
      clearTimeout(timer);
      timer = setTimeout(async () => {
        const answers = work();
        for await (const answer of answers[Symbol.asyncIterator] ? answers : [answers]) {
          if (number !== asked) return;
          done(answer);
        }
      }, delay);
    };
  }

  return { get, post, postForm, postForText, latest };
})();
