"""Tells other services what happens to jobs, as Standard Webhooks has it: whom, how often, signed with what."""
