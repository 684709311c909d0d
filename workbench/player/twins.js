// Two sides that play as one: the right one leads, as it may be heard; the left one is pulled after it.

const FAR = 0.25; // seconds apart from which on the left one jumps; below it hurries or waits, which costs no picture

class Twins {
  constructor(left, right, changed) {
    Object.assign(this, { left, right, changed, current: 0, playing: false, looping: true, first: 0, last: 0, speed: 1, past: false, clock: new Clock({ frames: 1 }) });
  }

  get sides() { return [this.left, this.right]; }
  get videos() { return this.sides.filter(side => !side.still).map(side => side.video); }
  get together() { return this.left.shown === this.right.shown || this.left.still; }

  /** A clip of this clock, in a range of which they stay. */
  begin(clock, frame) {
    this.play(false);
    Object.assign(this, { clock, first: 0, last: clock.frames - 1 });
    this.current = Math.max(0, Math.min(this.last, frame));
  }

  /** Frames that are repeated; none given, all are. */
  range(first = 0, last = this.clock.frames - 1) {
    [this.first, this.last] = [Math.max(0, Math.min(first, last)), Math.min(this.clock.frames - 1, Math.max(first, last))];
    this.changed();
  }
  get ranged() { return this.first > 0 || this.last < this.clock.frames - 1; }

  play(on) {
    if (on === this.playing || (on && this.clock.frames < 2)) return;
    this.playing = on;
    this.pace(this.speed);
    if (on) {
      if (this.current < this.first || this.current >= this.last) this.#jump(this.first);
      for (const video of this.videos) video.play().catch(() => {});
      requestAnimationFrame(() => this.#follow());
    } else {
      for (const video of this.videos) video.pause();
      this.seek(this.current);
    }
    this.changed();
  }

  /** Shows this frame. Where the `past` is needed, the frame before it is shown first, and kept. */
  async seek(frame) {
    this.current = Math.max(0, Math.min(this.clock.frames - 1, frame));
    this.changed();
    const turn = this.turn = Symbol("the newest call"), to = this.current;
    if (this.past && to > 0) {
      await Promise.all(this.sides.map(side => side.seek(to - 1)));
      if (this.turn !== turn) return;
      for (const side of this.sides) side.keep();
    }
    await Promise.all(this.sides.map(side => side.seek(to)));
    if (this.turn === turn) this.changed();
  }

  pace(speed) {
    this.speed = speed;
    for (const video of this.videos) video.playbackRate = video.defaultPlaybackRate = speed;
  }

  #jump(frame) {
    this.current = frame;
    for (const video of this.videos) video.currentTime = this.clock.middle(frame);
  }

  #lead(left, right) {
    const behind = right.currentTime - left.currentTime;
    if (left.seeking) return;
    if (Math.abs(behind) > FAR) left.currentTime = right.currentTime;
    const pace = Math.abs(behind) > FAR ? 1 : Math.max(0.5, Math.min(2, 1 + 4 * behind));
    if (Math.abs(left.playbackRate / this.speed - pace) > 0.02) left.playbackRate = this.speed * pace;
    if (left.paused) left.play().catch(() => {});
  }

  #follow() {
    if (!this.playing) return;
    const [left, right] = this.sides.map(side => side.video), now = this.clock.frameAt(right.currentTime);
    const over = right.ended || now > this.last;
    this.current = Math.min(now, this.last);
    if (over && !this.looping) {
      this.current = this.last;
      return this.play(false);
    }
    if (over && !right.seeking) {
      this.#jump(this.first);
      for (const video of this.videos) video.play().catch(() => {});
    } else this.#lead(left, right);
    this.changed();
    requestAnimationFrame(() => this.#follow());
  }
}
