// The magnifier: the surroundings of one point of both pictures, side by side. It belongs to a
// Swipe and follows its pointer, or its keys.

const ENLARGED = 4; // times what the pictures are shown at, but at least times their own pixels

class Lens {
  constructor(root) {
    this.box = root.querySelector(".lens");
    this.glasses = [...this.box.querySelectorAll(".glass")];
    this.at = { x: 0.5, y: 0.5 }; // the point, as fractions of the picture
    this.on = false;
  }

  take(images) {
    this.glasses.forEach((glass, i) => {
      const copy = images[i]?.cloneNode();
      if (copy) copy.alt = "";
      glass.replaceChildren(...(copy ? [copy] : []));
      glass.hidden = !copy;
    });
  }

  // Place the glasses near the point, and the pictures in them so that it is in their middle.
  // shown: where the pictures lie in a stage of W x H; pixels: screen pixels for one of theirs.
  layout({ left, top, pw, ph }, [W, H], pixels) {
    this.box.hidden = !this.on;
    if (!this.on) return;
    const times = ENLARGED * Math.max(1, 1 / pixels);
    const [w, h] = [this.box.offsetWidth, this.box.offsetHeight];
    const [x, y] = [left + this.at.x * pw, top + this.at.y * ph];
    const above = y - h - 28; // clear of a finger
    this.box.style.left = `${clamp(x - w / 2, 0, Math.max(0, W - w))}px`;
    this.box.style.top = `${above >= 0 ? above : Math.min(y + 28, Math.max(0, H - h))}px`;
    for (const glass of this.glasses) {
      const image = glass.firstElementChild;
      if (!image) continue;
      Object.assign(image.style, {
        left: `${Math.round(glass.clientWidth / 2 - this.at.x * pw * times)}px`,
        top: `${Math.round(glass.clientHeight / 2 - this.at.y * ph * times)}px`,
        width: `${pw * times}px`,
        height: `${ph * times}px`,
        imageRendering: "pixelated",
      });
    }
  }
}
