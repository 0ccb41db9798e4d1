"""jmeta and other libraries: ``jmeta.interop.gymnasium`` scores agents in Gymnasium's environments and makes some of tasks."""

from jmeta.interop import gymnasium

__all__ = ["gymnasium"]
