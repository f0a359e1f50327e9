// Pointers and keys: what moves the divider, the pictures and the magnifier of a Swipe.

class Hands {
  constructor(swipe) {
    this.swipe = swipe;
    this.stage = swipe.stage;
    this.fingers = new Map(); // pointers that are down, by their id
    this.stage.onpointerdown = (event) => this.grab(event);
    this.stage.addEventListener("pointermove", (event) => this.look(event));
    this.stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    swipe.root.onkeydown = (event) => this.key(event);
  }

  // Where an event is in the stage.
  place(event) {
    const box = this.stage.getBoundingClientRect();
    return [
      event.clientX - box.left - this.stage.clientLeft,
      event.clientY - box.top - this.stage.clientTop,
    ];
  }

  // --- pointers

  // The divider follows the pointer, and so it does anywhere on pictures that cannot be moved.
  grab(event) {
    const { swipe, stage } = this;
    if (!swipe.shown || event.button !== 0) return;
    this.fingers.set(event.pointerId, event);
    stage.setPointerCapture(event.pointerId);
    stage.classList.add("held");
    const one = this.fingers.size === 1;
    const slides = one && (!swipe.pans() || event.composedPath().includes(swipe.divider));
    const follow = slides ? (e) => this.slide(e) : one ? this.pan(event) : this.pinch();
    stage.onpointermove = (e) => {
      this.fingers.set(e.pointerId, e);
      follow(e);
    };
    stage.onpointerup = stage.onpointercancel = (e) => {
      this.fingers.delete(e.pointerId);
      stage.onpointermove = null;
      stage.classList.remove("held");
    };
    if (slides) {
      this.slide(event);
      swipe.divider.focus({ preventScroll: true, focusVisible: false });
      event.preventDefault(); // or the press would move the focus away again
    }
  }

  slide(event) {
    const { swipe } = this;
    if (swipe.alone || swipe.difference) return;
    const { from, to } = swipe.shown;
    swipe.split((this.place(event)[0] - from) / (to - from));
  }

  pan(start) {
    const { view } = this.swipe;
    const { x, y } = view;
    return (event) => {
      view.x = x - (event.clientX - start.clientX) / this.swipe.shown.pw;
      view.y = y - (event.clientY - start.clientY) / this.swipe.shown.ph;
      this.swipe.layout();
    };
  }

  pinch() {
    const [apart, pixels] = [this.apart(), this.swipe.pixels];
    return () => {
      const [a, b] = [...this.fingers.values()].map((finger) => this.place(finger));
      const now = (pixels * this.apart()) / apart;
      const whole = now > 1 ? Math.round(now) : now; // enlarged, all pixels stay equal
      this.swipe.zoomAt(whole, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
    };
  }

  // How far two fingers are from each other.
  apart() {
    const [a, b] = [...this.fingers.values()];
    return Math.max(1, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY));
  }

  // The magnifier looks where the pointer is.
  look(event) {
    const { swipe } = this;
    if (!swipe.lens.on || !swipe.shown) return;
    const [x, y] = this.place(event);
    const { left, top, pw, ph } = swipe.shown;
    swipe.aim((x - left) / pw, (y - top) / ph);
  }

  wheel(event) {
    if (!this.swipe.shown || !event.ctrlKey || !event.deltaY) return; // else the page scrolls
    event.preventDefault();
    this.swipe.step(event.deltaY < 0 ? 1 : -1, ...this.place(event));
  }

  // --- keys

  key(event) {
    if (!this.swipe.shown || event.ctrlKey || event.metaKey || event.altKey) return;
    const on = event.composedPath()[0];
    if (on.closest("select, summary")) return; // they have keys of their own
    if (this.letter(event.key) || (this.stage.contains(on) && this.arrow(event, on))) {
      event.preventDefault();
    }
  }

  letter(key) {
    const { swipe } = this;
    const act = {
      "+": () => swipe.step(1),
      "=": () => swipe.step(1), // the same key without Shift
      "-": () => swipe.step(-1),
      0: () => swipe.zoom("fit"),
      m: () => swipe.toggleLens(),
      d: () => swipe.toggleDifference(),
      f: () => swipe.fullScreen(),
    }[key.toLowerCase()];
    act?.();
    return Boolean(act);
  }

  arrow(event, on) {
    const { swipe } = this;
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const [dx, dy] = arrows[event.key] ?? [0, 0];
    const step = event.shiftKey ? 0.1 : 0.02;
    const free = on !== swipe.divider && (dx || dy);
    if (free && swipe.lens.on) {
      swipe.aim(swipe.lens.at.x + dx * step, swipe.lens.at.y + dy * step);
    } else if (free && swipe.pans()) {
      swipe.view.x += (dx * this.stage.clientWidth) / 8 / swipe.shown.pw;
      swipe.view.y += (dy * this.stage.clientHeight) / 8 / swipe.shown.ph;
      swipe.layout();
    } else {
      const far = { Home: -1, End: 1, PageDown: -0.1, PageUp: 0.1 }[event.key] ?? 0;
      if (swipe.alone || (!dx && !dy && !far)) return false;
      swipe.split(swipe.view.split + (dx - dy) * step + far);
    }
    return true;
  }
}
