"""Agent processes: run folders, the supervisor, prompts, agent kinds."""
