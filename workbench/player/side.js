// One of the two clips of a player: a video, or a still. It knows which frame it shows.

class Side {
  /** `element`: the video in the page that it plays in. `told` is called whenever another frame is there. */
  constructor(element, told) {
    Object.assign(this, { id: element.id, video: element, element, told, name: "", shown: -1, wanted: 0, seeking: null });
    this.kept = { frame: -1, context: scratch() }; // the frame shown before, for what changes from one to the next
    if (element.requestVideoFrameCallback) this.#watch();
    else element.addEventListener("timeupdate", () => this.#present(this.clock.frameAt(element.currentTime)));
  }

  get still() { return this.element !== this.video; }
  get ready() { return this.shown >= 0; }
  get size() { return this.still ? [this.element.naturalWidth, this.element.naturalHeight] : [this.video.videoWidth, this.video.videoHeight]; }

  /** Shows a clip from this frame on; resolves when it can be drawn. */
  async take(name, source, clock, frame) {
    Object.assign(this, { name, clock, shown: -1, wanted: frame });
    this.kept.frame = -1;
    this.video.dataset.name = name;
    this.#swap(this.video);
    this.passed?.(); // an earlier clip that is still awaited
    this.video.src = source;
    await (this.loading = new Promise(resolve => {
      this.passed = resolve;
      for (const event of ["loadeddata", "error"]) this.video.addEventListener(event, resolve, { once: true });
    }));
    await this.seek(this.wanted); // another may be by now
  }

  /** Shows a picture that is loaded already. */
  takeStill(name, image) {
    Object.assign(this, { name, shown: 0 });
    Object.assign(image, { id: this.id, alt: name });
    image.dataset.name = name;
    this.#swap(image);
    this.told();
  }

  #swap(element) {
    if (element === this.element) return;
    this.video.id = element === this.video ? this.id : "";
    this.element.replaceWith(element);
    this.element = element;
  }

  /** Resolves when the frame last asked for is there; in between, others may be passed over. */
  seek(frame) {
    this.wanted = frame;
    if (this.still) return Promise.resolve();
    this.seeking ??= this.#follow().finally(() => { this.seeking = null; });
    return this.seeking;
  }

  async #follow() {
    for (let went = -1; went !== this.wanted;) {
      await this.loading;
      went = this.wanted;
      if (this.video.readyState < 1) return; // damaged, or another clip is on its way
      await new Promise(resolve => {
        for (const event of ["seeked", "error", "emptied"]) this.video.addEventListener(event, resolve, { once: true });
        this.video.currentTime = this.clock.middle(went);
      });
    }
    this.#present(this.wanted);
  }

  #watch() {
    this.video.requestVideoFrameCallback((now, { mediaTime }) => {
      if (!this.still && this.clock) this.#present(this.clock.frameAt(mediaTime));
      this.#watch();
    });
  }

  #present(frame) {
    if (this.video.readyState < 2) return;
    this.shown = frame;
    this.told();
  }

  /** Remembers the picture as it is now. */
  keep() {
    if (!this.ready || this.kept.frame === this.shown) return;
    const [width, height] = this.size;
    sized(this.kept.context, width, height).drawImage(this.element, 0, 0);
    this.kept.frame = this.shown;
  }

  /** Draws an area of the picture, whose size is `picture`, into a box. */
  draw(context, area, box, picture) {
    const [width, height] = this.size, across = width / picture[0], along = height / picture[1];
    if (this.ready && area.width && area.height)
      context.drawImage(this.element, area.x * across, area.y * along, area.width * across, area.height * along, box.x, box.y, box.width, box.height);
  }
}
