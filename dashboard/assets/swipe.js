// Two pictures under a divider. Nothing rescales them but the zoom chosen here, which is counted
// in pixels of the screen (not CSS pixels), so 1:1 is true on every display.

const swipes = new WeakMap(); // where a comparison is mounted -> Swipe
const views = new Map(); // subject -> what the visitor was looking at

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
    this.buttons = [...this.root.querySelectorAll("[data-zoom]")];
    for (const button of this.buttons) {
      button.onclick = () => this.zoom(button.dataset.zoom);
    }
    const full = find(".full");
    full.hidden = !document.fullscreenEnabled;
    full.onclick = () =>
      document.fullscreenElement ? document.exitFullscreen() : this.root.requestFullscreen();
    this.stage.onpointerdown = (event) => this.grab(event);
    this.stage.onkeydown = (event) => this.key(event);
    this.observer = new ResizeObserver(() => this.layout());
    this.observer.observe(this.stage);
  }

  // Take new pictures; the old ones stay until the new ones are there.
  async show(data) {
    if (this.data && JSON.stringify(this.data) === JSON.stringify(data)) return;
    this.data = data;
    const fresh = await Promise.all(data.pictures.map(loaded)).catch(() => null);
    if (this.data !== data) return; // overtaken by a later call
    if (!fresh) {
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
    this.stage.classList.toggle("alone", fresh.length < 2);
    this.layers.forEach((layer, i) => layer.replaceChildren(...fresh.slice(i, i + 1)));
    this.chips.forEach((chip, i) => (chip.textContent = data.pictures[i]?.label ?? ""));
    this.stage.style.aspectRatio = `${data.width} / ${data.height}`;
    this.stage.dataset.state = "ready";
    this.layout();
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

    for (const image of this.stage.querySelectorAll("img")) {
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
    this.scale.textContent = `${w} × ${h} pixels, shown at ${percent(pixels)}`;
    const hint = this.pans() ? "; drag or use the arrow keys to move them" : "";
    this.stage.setAttribute("aria-label", `Pictures${hint}`);
    this.split(view.split);
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
    const alone = this.layers[1].childElementCount === 0;
    this.layers[0].style.clipPath = alone ? "none" : `inset(0 calc(100% - ${x}px) 0 0)`;
    this.layers[1].style.clipPath = `inset(0 0 0 ${x}px)`;
    this.divider.style.left = `${x}px`;
    const share = Math.round(this.view.split * 100);
    this.divider.setAttribute("aria-valuenow", share);
    const [a, b] = this.data.pictures.map((picture) => picture.label);
    this.divider.setAttribute("aria-valuetext", `${share} % ${a}, ${100 - share} % ${b}`);
  }

  zoom(to) {
    if (!this.view) return;
    this.view.zoom = to === "fit" ? "fit" : Number(to);
    this.layout();
  }

  // The divider follows the pointer, and so it does anywhere on pictures that cannot be moved.
  grab(event) {
    if (!this.shown || event.button !== 0) return;
    const moving = this.pans() && !event.composedPath().includes(this.divider);
    const start = { px: event.clientX, py: event.clientY, x: this.view.x, y: this.view.y };
    const follow = (e) => {
      if (moving) {
        this.view.x = start.x - (e.clientX - start.px) / this.shown.pw;
        this.view.y = start.y - (e.clientY - start.py) / this.shown.ph;
        this.layout();
      } else {
        const edge = this.stage.getBoundingClientRect().left + this.stage.clientLeft;
        const { from, to } = this.shown;
        this.split((e.clientX - edge - from) / (to - from));
      }
    };
    this.stage.setPointerCapture(event.pointerId);
    this.stage.classList.add("held");
    if (!moving) {
      follow(event);
      this.divider.focus({ preventScroll: true, focusVisible: false });
      event.preventDefault(); // or the press would move the focus away again
    }
    this.stage.onpointermove = follow;
    this.stage.onpointerup = this.stage.onpointercancel = () => {
      this.stage.onpointermove = null;
      this.stage.classList.remove("held");
    };
  }

  key(event) {
    if (!this.shown || event.ctrlKey || event.metaKey || event.altKey) return;
    const onDivider = event.composedPath()[0] === this.divider;
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const [dx, dy] = arrows[event.key] ?? [0, 0];
    if (onDivider) {
      const step = event.shiftKey ? 0.1 : 0.02;
      const far = { Home: -1, End: 1, PageDown: -0.1, PageUp: 0.1 }[event.key] ?? 0;
      if (!dx && !dy && !far) return;
      this.split(this.view.split + (dx - dy) * step + far);
    } else {
      if ((!dx && !dy) || !this.pans()) return;
      this.view.x += (dx * this.stage.clientWidth) / 8 / this.shown.pw;
      this.view.y += (dy * this.stage.clientHeight) / 8 / this.shown.ph;
      this.layout();
    }
    event.preventDefault();
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
      if (wait > 2000) throw error;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

function percent(pixels) {
  const value = pixels * 100;
  return `${value >= 10 ? Math.round(value) : value.toFixed(1)} %`;
}

export default function ({ parentElement, data }) {
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
}
