// Blind pairs, answered by key or button. Whatever was answered is sent again and again, all of
// it, until the server says that it is kept: a connection may break, an answer is never lost.

const ballots = new WeakMap(); // where a ballot is mounted -> Ballot
const memory = new Map(); // participant -> {number: [side, seconds]}

const SIDES = { ArrowLeft: "left", ArrowRight: "right" };
const NAMES = { left: "Picture A", right: "Picture B" };
const PAUSE = 250; // ms for the choice to be seen before the next pair comes
const AGAIN = 5000; // ms until answers that the server has not confirmed are sent once more
const LONGEST = 80000; // ms; each time twice as long, or a slow server would never get to its end
const BUSY = "input, textarea, select, [role=radio], [role=slider], [role=tab], [contenteditable]";

class Ballot {
  constructor(parent) {
    this.root = parent.querySelector(".ballot");
    const find = (selector) => this.root.querySelector(selector);
    this.count = find(".count");
    this.progress = find(".progress");
    this.fill = find(".fill");
    this.question = find(".question");
    this.hint = find(".hint");
    this.message = find(".message");
    this.peekButton = find(".peek");
    this.frames = [...this.root.querySelectorAll(".frame")];
    this.buttons = [...this.root.querySelectorAll("button[data-side]")];
    for (const element of [...this.frames, ...this.buttons]) {
      element.onclick = () => this.answer(element.dataset.side);
    }
    this.peekButton.onclick = () => this.peek(!this.peeks);
    this.trials = new Map(); // number -> trial
    this.pictures = new Map(); // address -> promise of an image
    this.shown = null; // the trial on the screen
    this.wait = AGAIN;
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
    document.addEventListener("keyup", this.onKey);
    this.observer = new ResizeObserver(() => this.layout());
    this.observer.observe(this.root);
  }

  close() {
    document.removeEventListener("keydown", this.onKey);
    document.removeEventListener("keyup", this.onKey);
    this.observer.disconnect();
    clearTimeout(this.timer);
  }

  // Take what the server knows: trials to come, and answers it has kept.
  update(data, send) {
    this.data = data;
    this.send = send;
    if (!memory.has(data.participant)) memory.set(data.participant, {});
    this.votes = memory.get(data.participant);
    this.question.textContent = data.question;
    this.peekButton.hidden = !data.reference;
    for (const trial of data.trials) {
      this.trials.set(trial.number, trial);
      for (const url of this.urls(trial)) this.picture(url).catch(() => {});
    }
    if (!this.missing()) this.wait = AGAIN;
    else if (!this.timer) this.remind(); // answers from before this page was left and found again
    if (!this.pausing) this.next();
    this.tally();
  }

  urls(trial) {
    return [trial.left, trial.right, trial.original].filter(Boolean);
  }

  // An image, fetched once and kept, so that it is there before its turn.
  picture(url) {
    if (!this.pictures.has(url)) {
      const promise = loaded(url);
      promise.catch(() => this.pictures.delete(url)); // a later try may succeed
      this.pictures.set(url, promise);
    }
    return this.pictures.get(url);
  }

  answered(number) {
    return number in this.votes || this.data.done.includes(number);
  }

  // Show the first trial that is unanswered.
  async next() {
    const open = [...this.trials.values()].filter((trial) => !this.answered(trial.number));
    const trial = open.sort((a, b) => a.number - b.number)[0];
    if (trial && this.shown?.number === trial.number) return;
    this.ready = false;
    this.shown = trial ?? null;
    this.peek(false);
    for (const button of this.buttons) button.disabled = true;
    if (!trial) {
      this.tally();
      return;
    }
    let images;
    try {
      images = await Promise.all(this.urls(trial).map((url) => this.picture(url)));
    } catch {
      if (this.shown === trial) {
        this.shown = null;
        this.message.textContent = "The pictures could not be loaded. Reload the page to go on.";
      }
      return;
    }
    if (this.shown !== trial) return; // overtaken
    this.frames.forEach((frame, i) => {
      const own = images[i].cloneNode();
      own.alt = NAMES[frame.dataset.side];
      const parts = [own];
      if (images[2]) {
        const original = images[2].cloneNode();
        original.className = "original";
        original.alt = "The original";
        parts.push(original);
      }
      frame.replaceChildren(...parts);
    });
    this.size = [images[0].naturalWidth, images[0].naturalHeight];
    this.message.textContent = "";
    this.root.dataset.state = "ready";
    this.layout();
    for (const button of this.buttons) {
      button.disabled = false;
      button.classList.remove("chosen");
    }
    this.since = performance.now();
    this.ready = true;
  }

  // One pixel of a picture is a whole number of the screen's, unless there is no room.
  layout() {
    if (!this.size || !this.root.clientWidth) return;
    const [w, h] = this.size;
    const ratio = window.devicePixelRatio || 1;
    const whole = (w * Math.max(1, Math.round(ratio))) / ratio;
    const room = this.frames[0].clientWidth;
    const width = Math.min(whole, room);
    for (const image of this.root.querySelectorAll(".frame img")) {
      image.style.width = `${width}px`;
      image.style.height = `${(width * h) / w}px`;
      image.style.imageRendering = width === whole ? "pixelated" : "auto";
    }
    this.root.style.setProperty("--shown", `${width}px`);
    const scale = Math.round((100 * width * ratio) / w);
    this.hint.textContent =
      scale >= 100 ? "" : `Shown at ${scale} %: a wider window shows every pixel.`;
  }

  answer(side) {
    if (!this.ready) return;
    this.ready = false;
    const seconds = Math.round(performance.now() - this.since) / 1000;
    this.votes[this.shown.number] = [side, seconds];
    for (const button of this.buttons) {
      button.disabled = true;
      button.classList.toggle("chosen", button.dataset.side === side);
    }
    this.tell();
    this.tally();
    this.pausing = true;
    setTimeout(() => {
      this.pausing = false;
      this.next();
    }, PAUSE);
  }

  tell() {
    this.tries = (this.tries ?? 0) + 1; // so that a repetition is something new to Streamlit
    this.send("votes", { answers: { ...this.votes }, tries: this.tries });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.remind(), this.wait);
    this.wait = Math.min(2 * this.wait, LONGEST);
  }

  missing() {
    return Object.keys(this.votes).some((number) => !this.data.done.includes(Number(number)));
  }

  remind() {
    if (this.missing()) this.tell();
  }

  tally() {
    const total = this.data.total;
    const numbers = new Set([...this.data.done, ...Object.keys(this.votes).map(Number)]);
    const done = numbers.size;
    this.progress.setAttribute("aria-valuemax", total);
    this.progress.setAttribute("aria-valuenow", done);
    this.fill.style.width = `${(100 * done) / total}%`;
    this.count.textContent = done < total ? `Pair ${done + 1} of ${total}` : `${total} of ${total}`;
    if (done >= total && !this.pausing) {
      this.root.dataset.state = "done";
      this.message.textContent = "Saving your answers…";
    }
  }

  // Put the original in the place of both pictures, or take it away again.
  peek(wanted) {
    this.peeks = wanted && this.ready && this.data.reference;
    this.root.classList.toggle("peeks", Boolean(this.peeks));
    this.peekButton.setAttribute("aria-pressed", String(Boolean(this.peeks)));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const target = event.composedPath()[0];
    if (target instanceof Element && target.closest(BUSY)) return;
    if (event.key === "ArrowUp" && this.data?.reference) {
      this.peek(event.type === "keydown"); // for as long as it is held
      event.preventDefault();
    } else if (event.key in SIDES && event.type === "keydown" && this.shown) {
      if (!event.repeat) this.answer(SIDES[event.key]);
      event.preventDefault();
    }
  }
}

// A picture, decoded. The server may be about to run the page again when it is asked, and then
// has the picture a moment later: hence the second chances.
async function loaded(url) {
  const image = new Image();
  image.draggable = false;
  for (let wait = 250; ; wait *= 2) {
    image.src = url;
    try {
      await image.decode();
      return image;
    } catch (error) {
      if (wait > 4000) throw error;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

export default inOrder(function ({ parentElement, data, setStateValue }) {
  let ballot = ballots.get(parentElement);
  if (!ballot || !parentElement.contains(ballot.root)) {
    ballot?.close();
    ballot = new Ballot(parentElement);
    ballots.set(parentElement, ballot);
  }
  ballot.update(data, setStateValue);
  return () => {
    if (!ballot.root.isConnected) ballot.close();
  };
});
