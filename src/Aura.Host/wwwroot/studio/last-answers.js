// The last good answer to each recent question, for a view that goes on asking while nobody can answer.

const most = 64;
// From the beginning: a bulk action's path ends like a list's.
const queries = /^\/elsa\/api\/(workflow-instances|workflow-instances\/[^/]+\/journal|activity-executions\/report)$/;

export class LastAnswers {
  #answers = new Map();

  /** What names the question, or null where the request does more than ask. */
  async keyOf(request) {
    if (request.method === "GET")
      return request.url;
    return request.method === "POST" && queries.test(new URL(request.url).pathname) ? `${request.url} ${await request.clone().text()}` : null;
  }

  async keep(key, answer) {
    const { status, headers } = answer;
    const body = await answer.clone().arrayBuffer();
    // The oldest are first.
    this.#answers.delete(key);
    this.#answers.set(key, { status, headers, body });
    if (this.#answers.size > most)
      this.#answers.delete(this.#answers.keys().next().value);
  }

  has(key) {
    return this.#answers.has(key);
  }

  get(key) {
    const { status, headers, body } = this.#answers.get(key);
    return new Response(body, { status, headers });
  }
}
