"""jmeta and other libraries: ``jmeta.interop.gymnasium`` scores agents in Gymnasium's environments and makes some of tasks."""
