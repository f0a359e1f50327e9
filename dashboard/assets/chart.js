// A Plotly chart that moves its lines when its data change, and keeps what a visitor zoomed into.

let library; // Plotly itself, loaded once from this page's own server

function plotly(url) {
  library ??= new Promise((resolve, reject) => {
    if (window.Plotly?.react) return resolve(window.Plotly);
    const script = document.createElement("script");
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      library = undefined; // the next time the chart changes is another chance
      reject(new Error("Plotly did not load"));
    };
    script.src = url;
    document.head.append(script);
  });
  return library;
}

// The page's own colours and type, light or dark.
function dressed(layout, element) {
  const style = getComputedStyle(element);
  const look = (name, other) => style.getPropertyValue(`--st-${name}`).trim() || other;
  const grid = { gridcolor: look("border-color", "#8884"), zeroline: false };
  const dress = {
    ...layout,
    paper_bgcolor: "rgba(0, 0, 0, 0)",
    plot_bgcolor: "rgba(0, 0, 0, 0)",
    font: { ...layout.font, color: look("text-color", "#888"), family: look("font", "sans-serif") },
  };
  for (const name of Object.keys(layout)) {
    if (/^[xy]axis\d*$/.test(name)) dress[name] = { ...grid, ...layout[name] };
  }
  for (const name of Object.keys(dress)) {
    if (/^xaxis\d*$/.test(name)) dress[name].showgrid = false;
  }
  return dress;
}

const latest = new WeakMap(); // element -> what it is to show; a slower one must not win

export default inOrder(function ({ parentElement, data }) {
  const element = parentElement.querySelector(".chart");
  const figure = JSON.parse(data.figure);
  element.setAttribute("aria-label", data.alt);
  element.style.height = `${figure.layout.height}px`;
  latest.set(element, figure);
  plotly(data.library)
    .then((Plotly) => {
      if (latest.get(element) !== figure || !element.isConnected) return;
      const layout = dressed(figure.layout, parentElement);
      return Plotly.react(element, figure.data, layout, { ...data.config, responsive: true });
    })
    .catch((error) => console.warn(error.message));
  return () => {
    if (!element.isConnected) window.Plotly?.purge(element);
  };
});
