"""Trained agents that act step by step in plain Python, outside of compiled programs, with NumPy arrays in and out.

``Agent`` acts and adapts. ``jmeta.load(run).agent()`` makes one of a training run, and ``jmeta.load_agent(file)`` of a file that
``Agent.save`` wrote. A file can be loaded with JAX, NumPy, safetensors and flatbuffers alone, since nothing here imports code
for training. ``jmeta.agent.export`` does, which makes an agent of a learner.
"""

from jmeta.agent.agent import Agent
from jmeta.agent.file import load_agent

__all__ = ["Agent", "load_agent"]
