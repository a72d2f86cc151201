"""Settings of the language model behind the background worker, and of what it may use.

    endpoint = "http://gpu:8000/v1"
    model = "Qwen/Qwen3-8B"
    searxng = "http://search:8080"

    [[mcp]]
    name = "stock"
    command = ["python", "/opt/stock_server.py"]

`tagalong background --agent FILE.toml`; every key is described below.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from models import toml_file

LANGUAGE = "daemon/background/agent_config.py"
"""Where the keys are described."""

HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+(/\S*)?$")]


class AgentError(ValueError):
    """The model's settings cannot be used; the message says which, and what to do."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class McpConfig(_Section):
    """One MCP server whose tools the model may call."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    """Stands before the names of its tools."""
    url: HttpUrl | None = None
    """Of a server that runs (streamable HTTP)."""
    command: tuple[str, ...] = ()
    """Program and arguments of one that is started here and spoken to over its standard input."""

    @model_validator(mode="after")
    def _one_way(self) -> McpConfig:
        if (self.url is None) == (not self.command):
            raise ValueError("either url or command says where the server is")
        return self


class AgentConfig(_Section):
    """A language model behind an OpenAI-compatible endpoint (vLLM, llama.cpp, Ollama, a cloud ...).

    The local reasoner stays beside it, and answers when the endpoint does not.
    """

    endpoint: HttpUrl
    """Address up to and with `/v1`."""
    model: str = Field("default", min_length=1, max_length=200)
    """Name of the model at the endpoint."""
    key_file: Path | None = None
    """The key is its first line; none is sent without."""
    timeout_s: float = Field(20.0, ge=1.0, le=600.0)
    """For a whole answer, tools included; after it the local reasoner answers."""
    quiet_s: float = Field(8.0, ge=0.5, le=120.0)
    """Longest time without anything from the endpoint."""
    tokens: int = Field(2_000, ge=50, le=100_000)
    """Most that the model may write for one question, over all its turns."""
    calls: int = Field(8, ge=0, le=50)
    """Tool calls for one question at most."""
    audio_endpoint: HttpUrl | None = None
    """Address up to and with `/v1` of what writes down the sound of a question; without one
    PocketSphinx does."""
    audio_model: str = Field("whisper-1", min_length=1, max_length=200)
    """Name of the model there."""
    whisper: Path | None = None
    """Folder of a CTranslate2 model of Whisper that does so on this machine (needs
    `pip install faster-whisper`)."""
    vision: bool = False
    """The model takes pictures."""
    searxng: HttpUrl | None = None
    """Address of a SearXNG server for web search and for reading the pages that it finds."""
    mcp: tuple[McpConfig, ...] = Field((), max_length=16)
    """MCP servers."""

    @model_validator(mode="after")
    def _one_recogniser(self) -> AgentConfig:
        if self.audio_endpoint is not None and self.whisper is not None:
            raise ValueError("either audio_endpoint or whisper writes down the sound, not both")
        return self


def load_agent(path: Path) -> AgentConfig:
    """Read a file of settings. Raises AgentError naming file, key, value and what was expected."""
    return toml_file.read(path, AgentConfig, AgentError, LANGUAGE)
