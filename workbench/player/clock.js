// Which frame a clip shows at which time, and back.

class Clock {
  /** `times`: seconds at which each frame begins, where they are not evenly spaced; else `fps`. */
  constructor({ fps, frames, times = null }) {
    Object.assign(this, { fps: fps || 25, frames, times });
  }

  begin(frame) { return this.times ? this.times[frame] : frame / this.fps; }

  /** A time within the frame: what to seek to. */
  middle(frame) {
    if (!this.times) return (frame + 0.5) / this.fps;
    return this.times[frame] + (frame + 1 < this.frames ? this.times[frame + 1] - this.times[frame] : 1 / this.fps) / 2;
  }

  frameAt(seconds) {
    const late = seconds + 1e-4; // a container's clock rounds
    const frame = this.times ? this.times.findLastIndex(begin => begin <= late) : Math.floor(late * this.fps);
    return Math.max(0, Math.min(this.frames - 1, frame));
  }
}
