"""Every name of TensorRT that the code uses exists in the TensorRT of each JetPack.

TensorRT itself is not to be had from a package index; its Python bindings are. They import over
libraries that only have the right names, and then list all classes and methods. The wheels, 4 MB,
are fetched once into the user's cache.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.engines import tensorrt, tensorrt_build

pytestmark = [pytest.mark.unit,
              pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc: no stand-in libraries")]

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tagalong" / "tensorrt"
BINDINGS = {"10.3.0": "tensorrt-cu12-bindings", "10.16.1.11": "tensorrt-cu13-bindings",
            "11.4.0.106": "tensorrt-cu13-bindings"}
"""JetPack 6, desktop cards, JetPack 7.2."""
CLASSES = {"builder": "Builder", "network": "INetworkDefinition", "config": "IBuilderConfig",
           "parser": "OnnxParser", "cache": "ITimingCache", "_engine": "ICudaEngine",
           "engine": "ICudaEngine", "_context": "IExecutionContext", "runtime": "Runtime"}
"""What variables of the two modules hold."""
BY_TEXT = {"ParserError.desc", *(f"DataType.{name}" for name in tensorrt._TYPES)}
"""Used too, where the source does not say of which class."""
RTX_ONLY = {"ComputeCapability", "IBuilderConfig.num_compute_capabilities",
            "IBuilderConfig.set_compute_capability"}
STUB = """
#define GIVES_NOTHING(name) void *name(void *a, void *b, int c) { return 0; }
GIVES_NOTHING(createInferBuilder_INTERNAL) GIVES_NOTHING(createInferRefitter_INTERNAL)
GIVES_NOTHING(createInferRuntime_INTERNAL) GIVES_NOTHING(createNvOnnxParser_INTERNAL)
GIVES_NOTHING(createNvOnnxParserRefitter_INTERNAL) GIVES_NOTHING(getBuilderPluginRegistry)
GIVES_NOTHING(getPluginRegistry) GIVES_NOTHING(initLibNvInferPlugins)
int getNvOnnxParserVersion(void) { return 0; }
int getInferLibVersion(void) { return 0; }
"""
LOOK = """
import functools, json, sys
import {module} as trt
def there(name):
    try:
        functools.reduce(getattr, name.split("."), trt)
        return True
    except AttributeError:
        return False
print(json.dumps([trt.__version__, [name for name in json.loads(sys.argv[1]) if not there(name)]]))
"""


def used() -> set[str]:
    """`Class.member` of all that the two modules take from TensorRT."""
    found = set()
    for module in (tensorrt, tensorrt_build):
        for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Attribute) or node.attr.startswith("__"):
                continue
            owner = node.value
            text = ast.unparse(node)
            if text.startswith("trt.") and "(" not in text:
                found.add(text.removeprefix("trt."))
            elif isinstance(owner, ast.Call) and ast.unparse(owner.func).startswith("trt."):
                found.add(f"{ast.unparse(owner.func).removeprefix('trt.')}.{node.attr}")
            name = getattr(owner, "id", getattr(owner, "attr", None))
            if name in CLASSES:
                found.add(f"{CLASSES[name]}.{node.attr}")
    return found


def test_the_names_are_found_in_the_source() -> None:
    names = used()
    assert {"Builder.build_serialized_network", "Runtime.deserialize_cuda_engine",
            "IExecutionContext.execute_async_v3", "ICudaEngine.get_tensor_dtype",
            "NetworkDefinitionCreationFlag.STRONGLY_TYPED", "BuilderFlag.TF32",
            "IBuilderConfig.progress_monitor", "ITimingCache.serialize"} <= names
    assert RTX_ONLY <= names


@pytest.fixture(scope="module")
def libraries(tmp_path_factory) -> Path:
    """The three libraries by the names of both generations."""
    folder = tmp_path_factory.mktemp("libraries")
    (folder / "stub.c").write_text(STUB)
    for library in ("nvinfer", "nvinfer_plugin", "nvonnxparser"):
        for generation in (10, 11):
            name = f"lib{library}.so.{generation}"
            subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(folder / name),
                            f"-Wl,-soname,{name}", str(folder / "stub.c")], check=True, timeout=60)
    return folder


def fetched(version: str) -> Path:
    """Folder with the unpacked bindings of this Python."""
    folder = CACHE / f"{version}-cp{sys.version_info[0]}{sys.version_info[1]}"
    if not folder.is_dir():
        part = folder.with_name(f"{folder.name}.part{os.getpid()}")
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary=:all:",
             "--target", str(part), f"{BINDINGS[version]}=={version}"],
            capture_output=True, text=True, timeout=110, check=False)
        if done.returncode:
            shutil.rmtree(part, ignore_errors=True)
            pytest.skip(f"no bindings of TensorRT {version} for this Python: "
                        f"{done.stderr.strip().splitlines()[-1]}")
        part.rename(folder)
    return folder


def missing(module: str, names: set[str], **environment: str) -> tuple[str, list[str]]:
    done = subprocess.run([sys.executable, "-c", LOOK.format(module=module),
                           json.dumps(sorted(names))], capture_output=True, text=True, timeout=100,
                          env={**os.environ, **environment}, check=False)
    assert done.returncode == 0, done.stderr
    version, absent = json.loads(done.stdout)
    return version, absent


@pytest.mark.parametrize("version", BINDINGS)
def test_every_name_is_in_the_bindings(version, libraries) -> None:
    found, absent = missing("tensorrt_bindings", (used() | BY_TEXT | {"NoSuchName"}) - RTX_ONLY,
                            PYTHONPATH=str(fetched(version)), LD_LIBRARY_PATH=str(libraries))
    assert found == version and absent == ["NoSuchName"]


def test_every_name_is_in_tensorrt_for_rtx() -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")
    assert missing("tensorrt_rtx", used() | BY_TEXT)[1] == []
