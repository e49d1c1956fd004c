"""The functions that selectors may call, one topic a file, and how a call finds its implementation."""
