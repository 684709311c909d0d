"""Engines side by side, and the device's report: what ran, what did not and why, as JSON and as a page's section."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from tests.model_folders import use_hf_home
from tests.tiny import tiny_models
from workbench.bench.engines import bench_engines, engine_table
from workbench.bench.report import END, START, Case, device_report, section, write_report


def test_rows_say_what_ran_and_what_did_not(monkeypatch, tmp_path):
    use_hf_home(monkeypatch, tmp_path)
    rows = {row.engine: row for row in bench_engines(tiny_models(), (16, 16), names=["openvino", "coreml"], repeats=2)}
    assert list(rows) == ["torch", "openvino", "coreml"]
    assert "macOS" in rows["coreml"].refused
    assert len(rows["openvino"].frames) == len(rows["torch"].stages["unet"]) == 2
    assert rows["openvino"].difference <= 1
    assert rows["openvino"].ready > 0
    assert [line[0] for line in engine_table(list(rows.values()))] == ["engine", "torch", "openvino"]


def test_no_engine_is_begun_after_its_time():
    rows = bench_engines(tiny_models(), (16, 16), names=["openvino"], repeats=1, until=time.monotonic() - 1)
    assert all("no time" in row.refused for row in rows)


def test_a_report_replaces_its_own_section_only(tmp_path):
    report = device_report("cpu", size=(16, 16), repeats=1, engines=["torch"])
    page = tmp_path / "devices.md"
    page.write_text(f"# Devices\n\nWords.\n\n{START}\n\n## Another machine (cuda:0)\n\nFast.\n\n{END}\n\nThe end.\n")
    for _ in range(2):
        write_report(report, tmp_path / "report.json", page)
    text = page.read_text()
    assert text.count("\n## ") == 2
    assert "Another machine" in text
    assert section(report).splitlines()[0] in text
    assert text.startswith("# Devices\n\nWords.")
    assert text.endswith("The end.\n")
    again = json.loads((tmp_path / "report.json").read_text())
    assert again["engines"]["embedded, fp32"]["rows"][0]["frame"] > 0


def test_what_fails_is_told_and_the_rest_goes_on(tmp_path, monkeypatch):
    def broken(models, engine):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr("workbench.bench.engines.make_runner", broken)
    saved = []
    cases = [Case("embedded", "fp32", ("torch",)), Case("embedded", "no such precision")]
    device_report("cpu", size=(16, 16), golden=tmp_path, cases=cases, save=lambda report: saved.append(dict(report)))
    verified, timed = saved[-1]["verify"], saved[-1]["engines"]
    assert len(saved) == len(verified) + len(cases)
    assert all("no golden folder" in words for words in verified.values())
    assert timed["embedded, fp32"]["rows"][0]["refused"] == "RuntimeError no such kernel"
    assert "DeviceError" in timed["embedded, no such precision"]
    assert "no such kernel" in section(saved[-1])


def test_a_report_whose_time_is_up_still_ends():
    report = device_report("cpu", size=(16, 16), repeats=1, limit=-1.0)
    assert report["engines"]["embedded, fp32"] == "not run: the time was up."


@pytest.mark.parametrize("module", ["workbench.bench.report"])
def test_a_report_needs_neither_gradio_nor_video_libraries(module):
    code = f"import sys, {module}; print([name for name in ('gradio', 'av', 'imageio_ffmpeg') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
