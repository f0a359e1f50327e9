// The same cut of the original and of what a point of a chart stands for: of the point under the
// pointer, or of one chosen from the list. The chart is Streamlit's own; its points carry numbers.

const boards = new WeakMap(); // where the cuts are mounted -> Crops

class Crops {
  constructor(parent) {
    this.root = parent.querySelector(".crops");
    this.original = this.root.querySelector(".original");
    this.decoded = this.root.querySelector(".decoded");
    this.caption = this.root.querySelector(".caption");
    this.select = this.root.querySelector("select");
    this.select.onchange = () => this.pick(this.select.value);
    for (const image of [this.original, this.decoded]) image.onerror = () => again(image);
    this.hover = (event) => {
      const number = event.points?.[0]?.customdata?.[0];
      if (number !== undefined) this.pick(String(number));
    };
    this.enter = (event) => this.follow(event);
    document.addEventListener("pointerover", this.enter);
  }

  // Listen to the chart under the pointer if it is ours. Plotly forgets who listens whenever it
  // draws a chart from nothing, so this is done anew each time.
  follow(event) {
    const chart = event.target.closest?.(".js-plotly-plot");
    if (!chart?.on || !chart.closest(`.st-key-${this.data?.chart}`)) return;
    chart.removeListener("plotly_hover", this.hover);
    chart.on("plotly_hover", this.hover);
  }

  update(data) {
    if (this.data && JSON.stringify(this.data) === JSON.stringify(data)) return;
    this.data = data;
    this.original.src = data.original;
    this.original.alt = data.alt;
    this.select.replaceChildren(
      ...data.points.map(({ label }, number) => new Option(label, String(number))),
    );
    this.pick(this.chosen in data.points ? this.chosen : String(data.first));
  }

  pick(number) {
    const point = this.data.points[number];
    if (!point) return;
    this.chosen = this.select.value = number;
    if (this.decoded.getAttribute("src") !== point.url) this.decoded.src = point.url;
    this.decoded.alt = `${this.data.alt}, ${point.label}`;
    this.caption.textContent = point.label;
  }

  close() {
    document.removeEventListener("pointerover", this.enter);
  }
}

// The server may be about to run the page again when it is asked for a picture, and then has it a
// moment later: hence a few second chances.
function again(image) {
  const url = image.getAttribute("src");
  image.tries = image.of === url ? image.tries + 1 : 1;
  image.of = url;
  if (image.tries > 4) return;
  setTimeout(() => {
    if (image.getAttribute("src") === url) image.src = url;
  }, 250 * 2 ** image.tries);
}

export default inOrder(function ({ parentElement, data }) {
  let board = boards.get(parentElement);
  if (!board || !parentElement.contains(board.root)) {
    board?.close();
    board = new Crops(parentElement);
    boards.set(parentElement, board);
  }
  board.update(data);
  return () => {
    if (!board.root.isConnected) board.close();
  };
});
