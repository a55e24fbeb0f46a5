// Files that are chosen, or dropped on an element.

export function acceptFiles(area, input, onFile) {
  input.addEventListener("change", () => {
    if (input.files[0]) onFile(input.files[0]);
    input.value = "";
  });
  area.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    area.classList.add("dropping");
  });
  area.addEventListener("dragleave", () => area.classList.remove("dropping"));
  area.addEventListener("drop", (event) => {
    area.classList.remove("dropping");
    if (!event.dataTransfer.files[0]) return;
    event.preventDefault();
    onFile(event.dataTransfer.files[0]);
  });
}

// The text of a file. Throws an Error in plain words if it is none.
export async function textOf(file) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    throw new Error(`${file.name} is no text in UTF-8. Save it as plain text first.`);
  }
}
