"""Tasks: feature + head + loss + metrics. A new task is one class here and one line in `saved_model.TASKS`."""
