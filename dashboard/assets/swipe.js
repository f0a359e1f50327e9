// Two pictures under a divider. Nothing rescales them but the zoom chosen here, which is counted
// in pixels of the screen (not CSS pixels), so 1:1 is true on every display.

const swipes = new WeakMap(); // where a comparison is mounted -> Swipe
const views = new Map(); // subject -> what the visitor was looking at

const STEPS = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16]; // of the keys + and -
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

class Swipe {
  constructor(parent) {
    this.root = parent.querySelector(".swipe");
    const find = (selector) => this.root.querySelector(selector);
    this.stage = find(".stage");
    this.divider = find(".divider");
    this.scale = find(".scale");
    this.message = find(".message");
    this.layers = [find(".layer.left"), find(".layer.right")];
    this.chips = [find(".chip.left"), find(".chip.right")];
    this.pair = find(".pair");
    this.switches = { lens: find(".lens-switch"), difference: find(".difference-switch") };
    this.switches.lens.onclick = () => this.toggleLens();
    this.switches.difference.onclick = () => this.toggleDifference();
    this.gain = find(".gain");
    this.gain.onchange = () => this.layout();
    this.difference = false;
    this.lens = new Lens(this.root);
    this.buttons = [...this.root.querySelectorAll("[data-zoom]")];
    for (const button of this.buttons) {
      button.onclick = () => this.zoom(button.dataset.zoom);
    }
    const full = find(".full");
    full.hidden = !document.fullscreenEnabled;
    full.onclick = () => this.fullScreen();
    this.hands = new Hands(this);
    this.observer = new ResizeObserver(() => this.layout());
    this.observer.observe(this.stage);
  }

  // Take new pictures; the old ones stay until the new ones are there.
  async show(data) {
    if (this.data && JSON.stringify(this.data) === JSON.stringify(data)) return;
    this.data = data;
    const fresh = await Promise.all(data.pictures.map((picture, i) => this.load(picture, i)))
      .catch(() => null);
    if (this.data !== data) return; // overtaken by a later call
    if (!fresh) {
      this.data = null; // the same pictures may come again
      this.stage.dataset.state = "failed";
      this.message.textContent = "The picture could not be loaded. Reload the page.";
      return;
    }
    this.message.textContent = "";
    this.size = [data.width, data.height];
    if (!views.has(data.subject)) {
      views.set(data.subject, { zoom: "fit", x: 0.5, y: 0.5, split: 0.5 });
    }
    this.view = views.get(data.subject);
    this.alone = fresh.length < 2;
    this.stage.classList.toggle("alone", this.alone);
    this.pair.hidden = this.alone;
    this.layers.forEach((layer, i) => layer.replaceChildren(...fresh.slice(i, i + 1)));
    this.lens.take(fresh);
    this.stage.style.aspectRatio = `${data.width} / ${data.height}`;
    this.stage.dataset.state = "ready";
    this.layout();
  }

  // A picture that is there already is not decoded again because its label changes.
  load(picture, i) {
    const there = this.layers[i].firstElementChild;
    if (there?.getAttribute("src") !== picture.url) return loaded(picture);
    there.alt = picture.alt;
    return there;
  }

  // Place pictures, clips and divider according to the view.
  layout() {
    if (!this.view || !this.stage.clientWidth) return;
    const [w, h] = this.size;
    const [W, H] = [this.stage.clientWidth, this.stage.clientHeight];
    const ratio = window.devicePixelRatio || 1;
    const view = this.view;

    let pixels = view.zoom; // screen pixels for one of the picture
    if (pixels === "fit") {
      pixels = Math.min(W / w, H / h) * ratio;
      if (pixels > 1) pixels = Math.floor(pixels); // enlarged, all pixels stay equal
    }
    const [pw, ph] = [(w * pixels) / ratio, (h * pixels) / ratio];
    const box = this.stage.getBoundingClientRect();
    const place = (room, length, centre, edge) => {
      const at = length <= room
        ? (room - length) / 2
        : clamp(room / 2 - centre * length, room - length, 0);
      return Math.round((edge + at) * ratio) / ratio - edge; // on whole pixels of the screen
    };
    const left = place(W, pw, view.x, box.left + this.stage.clientLeft);
    const top = place(H, ph, view.y, box.top + this.stage.clientTop);
    if (pw > W) view.x = clamp((W / 2 - left) / pw, 0, 1);
    if (ph > H) view.y = clamp((H / 2 - top) / ph, 0, 1);
    this.shown = { left, top, pw, ph, from: Math.max(0, left), to: Math.min(W, left + pw) };
    this.pixels = pixels;

    for (const image of this.stage.querySelectorAll(".layer img")) {
      Object.assign(image.style, {
        left: `${left}px`,
        top: `${top}px`,
        width: `${pw}px`,
        height: `${ph}px`,
        imageRendering: pixels >= 1 ? "pixelated" : "auto",
      });
    }
    this.stage.classList.toggle("pans", this.pans());
    for (const button of this.buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.zoom === String(view.zoom)));
    }
    this.scale.textContent = `${w} × ${h}, at ${percent(pixels)}`;
    this.compare();
    this.split(view.split);
    this.lens.layout(this.shown, [W, H], pixels);
  }

  // One picture over the other, or what differs between them: |a - b|, times the gain.
  compare() {
    const differs = this.difference && !this.alone;
    const gain = Number(this.gain.querySelector("select").value);
    const labels = this.data.pictures.map((picture) => picture.label);
    this.stage.classList.toggle("differs", differs);
    this.stage.style.setProperty("--gain", gain);
    this.gain.hidden = !differs;
    this.switches.difference.setAttribute("aria-pressed", String(differs));
    this.switches.lens.setAttribute("aria-pressed", String(this.lens.on));
    const text = `Difference × ${gain}: ${labels.join(" − ")}`;
    this.chips[0].textContent = differs ? text : labels[0];
    this.chips[1].textContent = differs || this.alone ? "" : labels[1];
    const hint = this.pans() ? "; drag or use the arrow keys to move them" : "";
    this.stage.setAttribute("aria-label", `${differs ? text : "Pictures"}${hint}`);
  }

  pans() {
    const { pw, ph } = this.shown;
    return pw > this.stage.clientWidth + 1 || ph > this.stage.clientHeight + 1;
  }

  // Put the divider at a fraction of the visible picture.
  split(fraction) {
    this.view.split = clamp(fraction, 0, 1);
    const { from, to } = this.shown;
    const x = from + this.view.split * (to - from);
    const whole = this.alone || this.difference;
    this.layers[0].style.clipPath = whole ? "none" : `inset(0 calc(100% - ${x}px) 0 0)`;
    this.layers[1].style.clipPath = whole ? "none" : `inset(0 0 0 ${x}px)`;
    this.divider.style.left = `${x}px`;
    const share = Math.round(this.view.split * 100);
    this.divider.setAttribute("aria-valuenow", share);
    const [a, b] = this.data.pictures.map((picture) => picture.label);
    this.divider.setAttribute("aria-valuetext", `${share} % ${a}, ${100 - share} % ${b}`);
  }

  // --- what is looked at, and how

  zoom(to) {
    if (!this.view) return;
    this.view.zoom = to === "fit" ? "fit" : Number(to);
    this.layout();
  }

  // One step in (1) or out (-1) around a point of the stage, by default the middle.
  step(direction, x, y) {
    const beyond = STEPS.filter((step) => direction * (step - this.pixels) > 1e-6);
    const next = direction > 0 ? beyond[0] : beyond.at(-1);
    this.zoomAt(next ?? this.pixels, x, y);
  }

  zoomAt(pixels, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2) {
    const [w, h] = this.size;
    const [W, H] = [this.stage.clientWidth, this.stage.clientHeight];
    const ratio = window.devicePixelRatio || 1;
    const fit = Math.min(W / w, H / h) * ratio;
    const { left, top, pw, ph } = this.shown;
    const [u, v] = [(x - left) / pw, (y - top) / ph]; // this point stays where it is
    this.view.zoom = pixels <= Math.min(fit, 1) ? "fit" : Math.min(pixels, STEPS.at(-1));
    if (this.view.zoom !== "fit") {
      this.view.x = u + (W / 2 - x) / ((w * this.view.zoom) / ratio);
      this.view.y = v + (H / 2 - y) / ((h * this.view.zoom) / ratio);
    }
    this.layout();
  }

  // The magnifier looks at a point of the pictures.
  aim(x, y) {
    this.lens.at = { x: clamp(x, 0, 1), y: clamp(y, 0, 1) };
    this.lens.layout(this.shown, [this.stage.clientWidth, this.stage.clientHeight], this.pixels);
  }

  toggleLens() {
    this.lens.on = !this.lens.on;
    this.layout();
  }

  toggleDifference() {
    this.difference = !this.difference;
    this.layout();
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (document.fullscreenEnabled) this.root.requestFullscreen();
  }
}

// A picture, decoded. The server may be about to run the page again when it is asked, and then
// has the picture a moment later: hence the second chances.
async function loaded({ url, alt }) {
  const image = new Image();
  image.alt = alt;
  image.draggable = false;
  for (let wait = 250; ; wait *= 2) {
    image.src = url;
    try {
      await image.decode();
      return image;
    } catch (error) {
      if (wait > 8000) throw error; // a quarter of a minute: the server may be busy
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

function percent(pixels) {
  const value = pixels * 100;
  return `${value >= 10 ? Math.round(value) : value.toFixed(1)} %`;
}

export default inOrder(function ({ parentElement, data }) {
  let swipe = swipes.get(parentElement);
  if (!swipe || !parentElement.contains(swipe.root)) {
    swipe?.observer.disconnect();
    swipe = new Swipe(parentElement);
    swipes.set(parentElement, swipe);
  }
  swipe.show(data);
  return () => {
    if (!swipe.root.isConnected) swipe.observer.disconnect();
  };
});
