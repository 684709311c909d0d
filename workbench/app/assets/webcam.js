// <webcam-recorder data-into="#clip-upload" data-most="120">: records a clip and hands it to the upload box as a file.
// `data-most`: seconds after which it stops by itself.

class WebcamRecorder extends HTMLElement {
  constructor() {
    super();
    this.attachShadow({ mode: "open" }).innerHTML = `<style>${JOB_STYLE}
      video { width: 100%; aspect-ratio: 16 / 9; object-fit: contain; background: #0b0c0f; border-radius: 8px; display: block; margin-bottom: 10px; }
      #said { color: var(--soft); font-size: 13px; min-height: 0; display: block; margin-top: 8px; } #said:empty { display: none; }
      </style><video muted playsinline hidden></video><button type="button">Use the webcam</button><p id="said" role="status"></p>`;
    [this.$video, this.$button, this.$said] = ["video", "button", "#said"].map(what => this.shadowRoot.querySelector(what));
    this.$button.addEventListener("click", () => this.#next());
  }
  disconnectedCallback() { this.#release(); }

  async #next() {
    try {
      if (!this.stream) await this.#open();
      else if (!this.recorder) this.#record();
      else this.recorder.stop();
    } catch (problem) {
      this.#release();
      this.$said.textContent = `The webcam cannot be used here: ${problem.message}`;
    }
  }

  async #open() {
    this.$said.textContent = "";
    if (!navigator.mediaDevices) throw new Error("browsers allow it over https, or on the machine itself, only.");
    this.stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true })
      .catch(() => navigator.mediaDevices.getUserMedia({ video: true })); // no microphone is no reason to give up
    this.$video.srcObject = this.stream;
    this.$video.hidden = false;
    await this.$video.play();
    this.$button.textContent = "Record";
  }

  #record() {
    const type = ["video/webm", "video/mp4"].find(known => MediaRecorder.isTypeSupported(known));
    if (!type) throw new Error("this browser cannot record.");
    const parts = [], began = Date.now();
    this.recorder = new MediaRecorder(this.stream, { mimeType: type });
    this.recorder.addEventListener("dataavailable", event => parts.push(event.data));
    this.recorder.addEventListener("stop", () => {
      this.#release();
      this.#hand(new File(parts, `webcam.${type.slice(6)}`, { type }));
    });
    this.recorder.start();
    this.timer = setInterval(() => {
      const now = Math.floor((Date.now() - began) / 1000);
      this.$button.textContent = `Stop · ${now} s`;
      if (now >= Number(this.dataset.most)) this.recorder.stop();
    }, 250);
  }

  #hand(file) {
    const input = document.querySelector(`${this.dataset.into} input[type=file]`);
    const files = new DataTransfer();
    files.items.add(file);
    input.files = files.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  #release() {
    clearInterval(this.timer);
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = this.recorder = null;
    this.$video.hidden = true;
    this.$video.srcObject = null;
    this.$button.textContent = "Use the webcam";
  }
}
define("webcam-recorder", WebcamRecorder);
