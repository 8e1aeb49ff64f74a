"""Plug-ins: what the loop can train (`headwise.training.loop.Task`)."""
