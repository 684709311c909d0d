"""Training: from a recipe and folders of photos and clips to a model folder.

    train("workbench/train/configs/embedded.toml", ["material/train"], "runs/embedded", heldout="material/heldout")

The out folder holds ``checkpoint.pt`` (whole at any moment; the run goes on from it), ``log.jsonl``, ``curve.png``
and ``model`` (what ``load_pipeline`` takes; written at every evaluation). Under ``accelerate launch`` the same call
trains on several GPUs.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn
from tqdm import tqdm

from workbench.devices import resolve_device
from workbench.errors import TrainingError
from workbench.files import replacing
from workbench.models.load import load_models
from workbench.models.models import Properties
from workbench.models.save import save_models
from workbench.pipeline.settings import Settings
from workbench.train.build import build, restart_controlnet
from workbench.train.checkpoint import load_checkpoint, save_checkpoint
from workbench.train.curve import draw_curve
from workbench.train.data import draw
from workbench.train.evaluate import HeldOut, bicubic, measure, open_clips, run
from workbench.train.grow import grow
from workbench.train.latents import start_detail
from workbench.train.objective import Objective, chosen
from workbench.train.pool import Pool
from workbench.train.recipe import Recipe, Stage, load_recipe
from workbench.train.scenes import Scenes

LOG_EVERY = 50
EVALUATION_FRAMES = 6
EVALUATION_SIDE = 256
START_BATCHES = 12  # that the code's principal components are found on
EVALUATION_DAMAGES = ("clean", "h264 crf 23", "h264 crf 28", "h264 crf 33")


def train(
    config: str | Path | Recipe,
    data: Sequence[str | Path],
    out: str | Path,
    *,
    heldout: str | Path | None = None,
    warm_start: str | Path | None = None,
    resume: bool = True,
    device: str = "auto",
    precision: str = "no",
    share: float = 1.0,
    stop_after: int | None = None,
    minutes: float | None = None,
    scenes: str | Path | None = None,
    workers: int = 1,
) -> Path:
    """Trains a recipe and returns the model folder ``out/model``.

    ``heldout``: folder of clips to evaluate on as it goes. ``warm_start``: a model folder to begin from.
    ``resume``: go on from the checkpoint in ``out`` (False: begin anew). ``precision``: ``no``, ``fp16`` or ``bf16``
    (accelerate's mixed precision). ``share``: of every stage's iterations. ``stop_after``: checkpoint and return
    there, to be resumed later; ``minutes``: the same, after so much time. ``scenes``: the folder for them (None: in
    ``out``), made by ``workers`` threads before training starts. Raises TrainingError.
    """
    recipe = config if isinstance(config, Recipe) else load_recipe(config)
    recipe = recipe.scaled(share) if share != 1 else recipe
    if stop_after is not None and stop_after < 1:
        raise TrainingError(
            f"stop_after must be one of the recipe's iterations, 1 to {recipe.iterations}, got {stop_after}."
        )
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    pool = Pool([Path(folder) for folder in data], out / "cache")
    clips = [] if heldout is None else evaluation_clips(Path(heldout))
    ready = None
    if any(stage.scenes for stage in recipe.stages):
        ready = Scenes(out / "scenes" if scenes is None else Path(scenes), recipe.scenes.scenes)
        ready.prepare(pool, recipe.scenes, recipe.seed, workers)
    session = Session(recipe, out, clips, warm_start, resume, device, precision)
    where = session.accelerator.device
    if ready is not None and where.type == "cuda" and ready.bytes_needed < torch.cuda.mem_get_info(where)[0] / 2:
        ready.hold(where)
    session.go(pool, ready, stop_after, minutes)
    return session.finish()


def evaluation_clips(folder: Path) -> list[HeldOut]:
    """The held-out clips, each as it is and compressed, as people's clips are."""
    return [
        clip
        for damage in EVALUATION_DAMAGES
        for clip in open_clips(folder, EVALUATION_FRAMES, EVALUATION_SIDE, damage=damage)
    ]


class Session:
    """One process of a run: models, optimizer, average, and where in the recipe they are."""

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        clips: Sequence[HeldOut],
        warm_start: str | Path | None,
        resume: bool,
        device: str,
        precision: str,
    ) -> None:
        self.recipe, self.out, self.clips = recipe, out, clips
        self.accelerator = Accelerator(
            cpu=resolve_device(device).type == "cpu",
            mixed_precision=precision,
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )
        self.models = build(recipe.model, recipe.seed)
        if warm_start is not None:
            self._start_from(Path(warm_start))
        self.models.prompt = self.models.prompt.to(self.accelerator.device)
        whole = Objective(self.models, recipe).to(self.accelerator.device).train()
        if self.models.properties.channels_last:
            whole.to(memory_format=torch.channels_last)
        self.whole = whole
        self.average = {name: p.detach().clone() for name, p in whole.named_parameters()}
        on_gpu = self.accelerator.device.type == "cuda"
        torch.backends.cudnn.benchmark = on_gpu  # the shapes of a stage never change
        optimizer = torch.optim.Adam(whole.parameters(), lr=1e-3, betas=(0.9, 0.99), fused=on_gpu)
        self.objective, self.optimizer = self.accelerator.prepare(whole, optimizer)
        self.iteration, self.seconds = 0, 0.0
        self._taught: Stage | None = None
        checkpoint = load_checkpoint(out, recipe) if resume else None
        if checkpoint is not None:
            self._restore(checkpoint)
        self._cut_log()

    def go(
        self, pool: Pool, scenes: Scenes | None = None, stop_after: int | None = None, minutes: float | None = None
    ) -> None:
        """Runs to the end of the recipe, or to ``stop_after``, or for so many minutes."""
        end = math.inf if minutes is None else time.monotonic() + 60 * minutes
        last = min(self.recipe.iterations, stop_after or self.recipe.iterations)
        losses: list[Tensor] = []
        bar = tqdm(total=last, initial=self.iteration, unit="it", disable=not self._shows)
        while self.iteration < last:
            began = time.process_time()
            losses.append(self.step(pool, scenes))
            self.seconds += time.process_time() - began
            bar.update()
            evaluated = self.iteration % self.recipe.evaluate_every == 0 or self.iteration == self.recipe.iterations
            if self.iteration % LOG_EVERY == 0 or self.iteration == last or evaluated:
                loss = float(torch.stack(losses).mean())
                self._log({"loss": loss, "learning_rate": self.optimizer.param_groups[0]["lr"]})
                bar.set_postfix(loss=f"{loss:.4f}")
                losses = []
            if evaluated:
                self.evaluate()
            late = time.monotonic() > end
            if self.iteration % self.recipe.checkpoint_every == 0 or self.iteration == last or late:
                self.checkpoint()
            if late:
                break
        bar.close()

    def step(self, pool: Pool, scenes: Scenes | None = None) -> Tensor:
        """One iteration: a batch, and a step of Adam on it or on each of its frames; returns the mean loss."""
        recipe, it = self.recipe, self.iteration
        index, within = recipe.stage_at(it)
        stage = recipe.stages[index]
        if within == 0:
            self._begin(index, pool, scenes)
        self._teach(stage)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(stage, within / stage.iterations) * min(1.0, (it + 1) / recipe.warmup)
        device = self.accelerator.device
        number = it * self.accelerator.num_processes + self.accelerator.process_index
        batch = draw(pool, recipe.data, stage, recipe.seed, number, scenes).to(device)
        channels = self.models.vae.config["latent_channels"]
        shape = (*batch.lr.shape[:2], channels, *batch.lr.shape[-2:])
        random = chosen(stage, shape, recipe.seed, number, device)
        losses: list[Tensor] = []
        past = None
        for k in range(stage.turns):
            with self.accelerator.autocast():
                loss, past = self.objective(batch, stage, random, k, past)
            if loss.requires_grad:  # TPM alone has nothing to learn from a clip's first frame
                self._learn(loss, within * stage.turns + k)
            losses.append(loss.detach())
        self.iteration += 1
        return torch.stack(losses).mean()

    def _learn(self, loss: Tensor, within: int) -> None:
        """One step of Adam, the stage's ``within``th, and of the average."""
        self.optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.whole.parameters(), self.recipe.clip_gradient)
        self.optimizer.step()
        decay = min(self.recipe.average, (within + 1) / (within + 10))  # each stage soon forgets how it began
        now = [parameter.detach() for parameter in self.whole.parameters()]
        get_ema_multi_avg_fn(decay)(list(self.average.values()), now, 0)

    def _teach(self, stage: Stage) -> None:
        """Lets learn what the stage trains, and nothing else."""
        if stage is self._taught:
            return
        self._taught = stage
        if hasattr(self.whole, "code"):
            self.whole.code.train(stage.trains == "code")  # its normalisation is settled then
        for name, parameter in self.whole.named_parameters():
            parameter.requires_grad_(trained(name, stage))

    @property
    def _shows(self) -> bool:
        """Whether somebody watches: a progress bar in a file is noise."""
        return self.accelerator.is_main_process and sys.stderr.isatty()

    def _begin(self, index: int, pool: Pool, scenes: Scenes | None) -> None:
        """What a stage needs before its first iteration."""
        recipe, stage = self.recipe, self.recipe.stages[index]
        before = recipe.stages[index - 1] if index > 0 else None
        follows_single_frames = before is not None and before.frames == 1 and stage.frames > 1
        begins_to_guide = stage.trains == "guidance" and (before is None or before.trains != "guidance")
        if (stage.lesson.regresses and follows_single_frames) or begins_to_guide:
            restart_controlnet(self.models, recipe.model, recipe.seed)
        if stage.trains == "code":
            numbers = range(recipe.iterations, recipe.iterations + START_BATCHES)  # no iteration draws them
            drawn = [draw(pool, recipe.data, stage, recipe.seed, n, scenes) for n in numbers]
            batches = [batch.to(self.accelerator.device) for batch in drawn]
            self.whole.code.start(self.models.vae, batches)
            start_detail(self.models.vae, self.whole.code, batches)

    def evaluate(self) -> None:
        """Measures the averaged weights on the held-out clips, as this stage uses them, and writes the model folder."""
        if not self.accelerator.is_main_process:
            return
        stage = self.recipe.stages[self.recipe.stage_at(self.iteration - 1)[0]]
        settings = Settings(steps=stage.steps, artg=stage.frames > 1, tpm=stage.fuses)
        with self._shipped():
            for clip in self.clips:
                ours = measure(run(self.models, clip, settings), clip)
                baselines = {"bicubic": measure(bicubic(clip), clip), "projected": measure(bicubic(clip, 2), clip)}
                self._log({"clip": clip.name, "stage": stage.name, "model": ours} | baselines)
        self.export()
        draw_curve(self.out / "log.jsonl", self.out / "curve.png")

    def export(self) -> Path:
        """Writes the averaged weights as ``out/model``."""
        with self._shipped():
            return save_models(self.models, self.out / "model", dtype=torch.float16)

    def finish(self) -> Path:
        """The model folder as the run leaves it, once every process is here."""
        if self.accelerator.is_main_process:
            self.export()
        self.accelerator.wait_for_everyone()
        return self.out / "model"

    def checkpoint(self) -> None:
        if self.accelerator.is_main_process:
            content = {
                "recipe": self.recipe.to_json(),
                "iteration": self.iteration,
                "seconds": self.seconds,
                "weights": self.whole.state_dict(),
                "prompt": self.models.prompt,
                "average": self.average,
                "optimizer": self.optimizer.state_dict(),
            }
            save_checkpoint(self.out, content)

    def _restore(self, content: dict[str, Any]) -> None:
        self.whole.load_state_dict(content["weights"])
        self.models.prompt = content["prompt"].to(self.accelerator.device)
        for name, value in content["average"].items():
            self.average[name].copy_(value)
        self.optimizer.load_state_dict(content["optimizer"])
        self.iteration, self.seconds = content["iteration"], content["seconds"]

    def _start_from(self, folder: Path) -> None:
        source = load_models(folder, device=torch.device("cpu"))
        if source.vae.config["resampling"] != self.models.vae.config["resampling"]:
            grow(self.models.vae.decoder, source.vae.decoder)
            return
        for name, network in self.models.networks.items():
            network.load_state_dict(source.networks[name].state_dict())
        self.models.prompt = source.prompt

    @contextmanager
    def _shipped(self) -> Iterator[None]:
        """The models as they are exported: averaged weights, the recipe's properties.

        Training's own come back.
        """
        kept = {name: p.detach().clone() for name, p in self.whole.named_parameters()}
        self._put(self.average)
        self.whole.eval()
        self.models.properties = Properties(**self.recipe.model.properties)
        try:
            yield
        finally:
            self._put(kept)
            self.whole.train()
            self._taught = None

    @torch.no_grad()
    def _put(self, values: dict[str, Tensor]) -> None:
        for name, parameter in self.whole.named_parameters():
            parameter.copy_(values[name])

    def _log(self, entry: dict[str, Any]) -> None:
        if self.accelerator.is_main_process:
            line = {"iteration": self.iteration, "core_seconds": round(self.seconds, 1)} | entry
            with (self.out / "log.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    def _cut_log(self) -> None:
        """Forgets what a killed run logged after its last checkpoint."""
        log = self.out / "log.jsonl"
        if not self.accelerator.is_main_process or not log.exists():
            return
        lines = [line for line in log.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
        kept = [line for line in lines if json.loads(line)["iteration"] <= self.iteration]
        with replacing(log) as unfinished:
            unfinished.write_text("".join(line + "\n" for line in kept), encoding="utf-8")


def trained(name: str, stage: Stage) -> bool:
    """Whether a stage trains the parameter of this name."""
    if name.startswith("critic."):
        return stage.adversarial > 0
    part = name.removeprefix("networks.")
    temporal = part.startswith("vae.decoder.") and (".temporal_processor." in part or part.endswith(".alpha"))
    return ("temporal" if temporal else part).startswith(stage.lesson.parts)


def learning_rate(stage: Stage, done: float) -> float:
    """Half a cosine from the first rate to the last."""
    first, last = stage.learning_rate
    return last + (first - last) * (1 + math.cos(math.pi * done)) / 2
