"""Now `daemon.drawing.story`, which `tagalong rehearse` shares."""

from daemon.drawing.story import Phrase, Story, story

__all__ = ["Phrase", "Story", "story"]
