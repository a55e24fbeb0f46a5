// Champion and challenger side by side, without their names until there is a vote.

import { post, stream } from "./server.js";
import { remarks, showPlainWords } from "./words.js";

const $ = (id) => document.getElementById(id);

function side(title, answer, model) {
  const made = document.createElement("div");
  made.className = "side";
  const heading = document.createElement("h3");
  heading.textContent = title;
  const words = document.createElement("div");
  words.className = "summary";
  showPlainWords(words, answer.explanation.words);
  const note = document.createElement("p");
  note.className = "note";
  note.textContent = remarks(answer, model).join(" ");
  made.append(heading, words, note);
  return made;
}

// `models` says by name what is known of each; `search` gives the changes to a model's own settings.
export async function compare(text, models, search) {
  const names = ["champion", "challenger"];
  const answers = {};
  $("voted").textContent = "Writing …";
  [$("sides"), $("ballot")].forEach((part) => part.replaceChildren());
  $("comparison").hidden = false;
  try {
    for (const model of names) {
      await stream("api/summarize", { document: text, model, search: search(model) }, (event) => {
        if (event.summaries) answers[model] = event;
      });
    }
  } catch (error) {
    $("comparison").hidden = true;
    $("voted").textContent = "";
    throw error;
  }
  if (Math.random() < 0.5) names.reverse();
  const [left, right] = names;
  const sides = [side("Left", answers[left], models[left]), side("Right", answers[right], models[right])];
  $("sides").replaceChildren(...sides);
  $("voted").textContent = "";
  const choices = { "Left is better": left, "Right is better": right, "Both are good": "both", Neither: "neither" };
  const buttons = Object.entries(choices).map(([title, choice]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = title;
    button.addEventListener("click", () => vote(choice));
    return button;
  });
  $("ballot").replaceChildren(...buttons);

  async function vote(choice) {
    buttons.forEach((button) => (button.disabled = true));
    try {
      const summaries = Object.fromEntries(names.map((name) => [name, answers[name].summaries[0].text]));
      const counts = await post("api/votes", { document: text, ...summaries, choice });
      sides.forEach((one, place) => (one.querySelector("h3").textContent += `: ${names[place]}`));
      const told = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
      $("voted").textContent = `Thank you. Votes so far: ${told.join(", ")}.`;
    } catch (error) {
      buttons.forEach((button) => (button.disabled = false));
      $("voted").textContent = error.message;
    }
  }
}
