"""What each kind of job does; ``workbench.app.kinds`` names the functions.

A work function leaves its files in ``task.public`` and says what they are.

Labels in ``Status.files`` (name in public/), and what ``Status.result`` says:

upscale   of a video: ``video`` (upscaled.mp4, or .mkv when lossless), ``play`` (what a browser plays: upscaled.mp4, or
          preview.mp4 when lossless), ``bicubic`` (bicubic.mp4), ``sidecar`` (JSON).
          of an image: ``picture`` (upscaled.png), ``bicubic`` (bicubic.png), ``sidecar``.
          result: width, height, frames, fps, start (the player's first frame), audio, finished, flow, notes,
          seconds_per_frame, stages {name: seconds}.
compare   ``a``, ``b``, ``c`` ... (a.mp4, ...; of one still a.png, ...), ``truth`` (with a reference), ``curves`` (PNG),
          ``report`` (HTML), ``json``, ``csv``, ``motion`` (JSON, of a video).
          result: names {"a": ..., "b": ...}, table [[heading...], [row...], ...],
          note, curves [{"metric": title, "lines": {name: [value, ...]}}, ...], frames, start, width, height, fps,
          seconds_per_frame {"a": ...}, times (of each frame, where they are not even; None where they are),
          memory {"a": bytes}, peak_memory. live.png is a's picture, live-bicubic.png is b's.
inside    ``trace`` (trace.safetensors). result: frames, steps, figures {name: pattern with {frame} and {step}},
          first {name: first frame that has it}, titles {name: one line}.
devices   ``table`` (devices.json), ``figure`` (PNG). result: machine, size [h, w], stages {name: seconds}, measured and
          published, each [[heading...], [row...], ...]; rows: the measured numbers as they are.

The planner has refused what does not fit into memory before a job is queued. A job does not estimate it again: that
would delay its first frame, for which somebody waits. Every function goes on with what its folder holds. It raises
``Stopped`` when ``task.stopping()``, and WorkbenchError for what cannot be done; the worker makes the job's state of
these.
"""
