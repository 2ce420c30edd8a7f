// Talking to the server. Every answer is {status, data}; a connection that fails is status 0.
window.Segments = window.Segments || {};

window.Segments.requests = (() => {
  const token = () => document.querySelector("[name=csrfmiddlewaretoken]").value;

  async function ask(url, options) {
    const answer = await fetch(url, { credentials: "same-origin", ...options }).catch(() => null);
    if (!answer) return { status: 0, data: null };
    return { status: answer.status, data: await answer.json().catch(() => null) };
  }

  const get = (url, query = {}) => ask(`${url}?${new URLSearchParams(query)}`);
  const post = (url, data) =>
    ask(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": token() },
      body: JSON.stringify(data),
    });

  // Calls `work` once things have been quiet for `delay` ms. Answers are numbered by their questions: only the answer to the
  // latest question reaches `done`, whatever order they arrive in.
  function latest(delay, work, done) {
    let timer = null;
    let asked = 0;
    return () => {
      const number = ++asked;
      clearTimeout(timer);
      timer = setTimeout(async () => {
        const answer = await work();
        if (number === asked) done(answer);
      }, delay);
    };
  }

  return { get, post, latest };
})();
