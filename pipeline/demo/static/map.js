// A heat map on a canvas, for the pointer and for arrow keys.

// `values` is row-major with 0 to 1; `atDarkest` begins where they are largest. `tell(row, column)` gives the words for a cell; `onCell(row, column)` hears where one points.
export function heatMap(container, { label, rows, numColumns, rowHeight, values, atDarkest = false, tell, onCell = () => {} }) {
  const numRows = values.length / numColumns;
  const width = Math.max(4, Math.min(24, Math.floor((container.clientWidth - 140) / numColumns)));
  container.className = "map";
  const names = document.createElement("div");
  names.className = "rows";
  names.textContent = rows ? rows.join("\n") : "";
  const scroll = document.createElement("div");
  scroll.className = "scroll";
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width * numColumns, rowHeight * numRows];
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  const told = document.createElement("p");
  told.className = "note told";
  told.setAttribute("role", "status");
  scroll.append(canvas);
  container.replaceChildren(names, scroll, told);

  // The cells are painted once: a hundred thousand of them at every move of the pointer would make it lag.
  const cells = document.createElement("canvas");
  [cells.width, cells.height] = [canvas.width, canvas.height];
  const fill = cells.getContext("2d");
  fill.fillStyle = "#f1f4f7";
  fill.fillRect(0, 0, cells.width, cells.height);
  const gap = rowHeight > 8 ? 1 : 0;
  values.forEach((value, place) => {
    fill.fillStyle = `rgb(0 60 110 / ${value})`;
    fill.fillRect((place % numColumns) * width, Math.floor(place / numColumns) * rowHeight, width - gap, rowHeight - gap);
  });

  const paint = canvas.getContext("2d");
  let [row, column] = [-1, -1];
  const draw = () => {
    paint.drawImage(cells, 0, 0);
    if (row >= 0) {
      paint.strokeStyle = "#e69f00";
      paint.lineWidth = 2;
      paint.strokeRect(column * width, row * rowHeight, width, rowHeight);
    }
  };
  const move = (toRow, toColumn) => {
    row = Math.max(0, Math.min(numRows - 1, toRow));
    column = Math.max(0, Math.min(numColumns - 1, toColumn));
    draw();
    told.textContent = tell(row, column);
    onCell(row, column);
  };
  canvas.addEventListener("pointermove", (event) => {
    const [toRow, toColumn] = [Math.floor(event.offsetY / rowHeight), Math.floor(event.offsetX / width)];
    if (toRow !== row || toColumn !== column) move(toRow, toColumn);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    move(row + step[0], column + step[1]);
  });
  draw();
  if (atDarkest) {
    const darkest = values.reduce((best, value, place) => (value > values[best] ? place : best), 0);
    scroll.scrollLeft = ((darkest % numColumns) + 0.5) * width - scroll.clientWidth / 2;
  }
}
