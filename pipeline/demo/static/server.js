// What the page asks the server. Every failure becomes an Error with words for a person.

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is it still running?");
  }
  if (response.ok) return response;
  const text = await response.text();
  let told = null;
  try {
    const answer = JSON.parse(text);
    told = answer.error ?? answer.message;
  } catch {
    // Not of this server's making.
  }
  throw new Error(told ?? `The server refused (${response.status}). Please try again.`);
}

const json = (body) => ({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

export const get = async (path) => (await ask(path)).json();
export const post = async (path, body) => (await ask(path, json(body))).json();

// Calls `onEvent` with each JSON line as it arrives.
export async function stream(path, body, onEvent, signal) {
  const options = body instanceof Blob ? { method: "POST", body } : json(body);
  const response = await ask(path, { ...options, signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      throw error.name === "AbortError" ? error : new Error("The server stopped answering. Is it still running?");
    });
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const event = JSON.parse(line);
      if (event.error) throw new Error(event.error);
      onEvent(event);
    }
  }
}
